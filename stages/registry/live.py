"""Log a training while it runs. Training never waits for it and never fails because of it."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from stages.engine.console import print_note
from stages.metrics.trees import RoleFigures
from stages.registry.circumstances import Journal
from stages.registry.client import Client
from stages.registry.connection import describe_failure, open_store
from stages.registry.identity import Identity
from stages.registry.run_metrics import log_epochs, log_figures, logged_epochs
from stages.registry.runs import find_or_create_run
from stages.registry.store import Store

GRACE_S = 5.0
"""How long the end of training waits for what is still to be sent."""


class LiveRun:
    """A run that is logged from a thread of its own.

    The first failure ends the logging with one line on stderr; `register` logs the rest from the
    files later.
    """

    def __init__(self, store: Store, stem: str, identity: Identity, journal: Journal) -> None:
        self._store, self._stem, self._identity, self._journal = store, stem, identity, journal
        self._messages: queue.SimpleQueue[Callable[[Client, str], None] | None] = (
            queue.SimpleQueue()
        )
        self._has_figures = False
        self._logged: set[tuple[str, int]] = set()
        self._ended: int | None = None
        """When a run that is trained again ended, in milliseconds. MLflow keeps the start of the
        first training; with the end of the last one, the page would add up all between."""
        # A daemon: a server that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._send, name="tracking", daemon=True)
        self._thread.start()

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Send one epoch: numbers by column, "epoch" (from 1) among them."""
        numbers = {key: float(value) for key, value in row.items()}
        now = int(time.time() * 1000)
        self._messages.put(
            lambda client, run_id: log_epochs(
                client, run_id, (numbers,), logged=self._logged, timestamp=now
            )
        )

    def log_figures(self, figures: RoleFigures) -> None:
        """Send figures by role, as validation.json holds them."""
        self._has_figures = True
        self._messages.put(lambda client, run_id: log_figures(client, run_id, figures))

    def close(self) -> None:
        """End the run: FINISHED if figures were sent, else FAILED. Waits at most GRACE_S."""
        status = "FINISHED" if self._has_figures else "FAILED"
        self._messages.put(lambda client, run_id: self._terminate(client, run_id, status))
        self._messages.put(None)
        self._thread.join(GRACE_S)
        if self._thread.is_alive():
            self._report(f"no answer within {GRACE_S:g} s")

    def _terminate(self, client: Client, run_id: str, status: str) -> None:
        if self._ended is not None:
            status = "FINISHED"  # it has been trained, whatever becomes of training it again
        client.set_terminated(run_id, status, end_time=self._ended)

    def _send(self) -> None:
        try:
            client = open_store(self._store)
            run = find_or_create_run(client, self._store, self._stem, self._identity, self._journal)
            run_id = run.info.run_id
            if run.info.status == "FINISHED":
                self._ended = run.info.end_time
            if run.info.status != "RUNNING":
                client.update_run(run_id, status="RUNNING")
            self._logged = logged_epochs(client, run_id)  # by an interrupted training
            while (message := self._messages.get()) is not None:
                message(client, run_id)
        except Exception as error:  # noqa: BLE001  whatever it is, training goes on
            self._report(f"{type(error).__name__}: {describe_failure(self._store, error)}")

    def _report(self, reason: str) -> None:
        print_note(
            f"tracking: not all of this training was logged to {self._store}; nothing is lost: "
            f"`register` or `pneumonia sync` logs it from the files. Reason: {reason}"
        )


@contextlib.contextmanager
def live_run(store: Store, stem: str, identity: Identity, journal: Journal) -> Iterator[LiveRun]:
    """Give a LiveRun and close it at the end.

    Args:
        store: The tracking store.
        stem: Stem of the experiment's name.
        identity: What the run is made of.
        journal: Circumstances by stage.
    """
    run = LiveRun(store, stem, identity, journal)
    try:
        yield run
    finally:
        run.close()
