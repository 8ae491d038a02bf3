"""Limit how long the stages of one `dvc repro` wait for a tracking server."""

import threading
from collections.abc import Callable

from stages.engine import wait_budget
from stages.registry.connection import check_server
from stages.registry.store import Store


def within_wait_budget(store: Store, action: Callable[[], str]) -> str:
    """Return `action()`, unless it takes longer than this `dvc repro` may still wait.

    MLflow's own time limits hold for a request and not for all of them together.

    Args:
        store: The server that the action talks to.
        action: Goes on in a thread, which ends with the process, after the time limit.

    Raises:
        ServiceUnavailable: The server does not answer.
        TimeoutError: The action takes too long.
    """
    with wait_budget.spend() as left:
        check_server(store, left)
    import mlflow  # noqa: F401  these seconds are not the server's

    with wait_budget.spend() as left:
        return _within(left, action)


def _within(seconds: float, action: Callable[[], str]) -> str:
    results: list[str] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:  # noqa: BLE001  raised again below, in the caller's thread
            failures.append(error)

    worker = threading.Thread(target=run, name="registry", daemon=True)
    worker.start()
    worker.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise TimeoutError(
            f"the tracking server used up its {wait_budget.TOTAL_S:g} s of this `dvc repro`; "
            "`pneumonia sync` waits longer"
        )
    return results[0]
