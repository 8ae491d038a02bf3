"""A run to watch while it trains. Training never waits for it and never fails by it.

A thread of its own talks to the store. The first thing that goes wrong ends the talking, with
one line; what was not sent, `register` sends later from the files.
"""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stages.registry import tracking
from stages.registry.record import Identity
from stages.registry.store import Store, open_store, reason

GRACE_S = 5.0
"""How long the end of training waits for what is still to be sent."""


class LiveRun:
    """Sends what training tells to the store, from a thread of its own.

    Call it with an epoch's row of numbers, "epoch" (from 1) among them.
    """

    def __init__(
        self, store: Store, stem: str, identity: Identity, journal: Mapping[str, Any]
    ) -> None:
        self._store, self._stem, self._identity, self._journal = store, stem, identity, journal
        self._messages: queue.SimpleQueue[Callable[[Any, str], None] | None] = queue.SimpleQueue()
        self._judged = False
        self._had: set[tuple[str, int]] = set()
        # Daemon: a server that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._talk, name="tracking", daemon=True)
        self._thread.start()

    def __call__(self, row: Mapping[str, float]) -> None:
        numbers = {key: float(value) for key, value in row.items()}
        now = int(time.time() * 1000)
        self._messages.put(
            lambda client, run_id: tracking.log_epochs(client, run_id, (numbers,), self._had, now)
        )

    def figures(self, figures: Mapping[str, Any]) -> None:
        """Send figures by role, as validation.json holds them."""
        self._judged = True
        self._messages.put(lambda client, run_id: tracking.log_figures(client, run_id, figures))

    def close(self) -> None:
        """End the run, as FINISHED where figures came and else as FAILED; waits GRACE_S at most."""
        status = "FINISHED" if self._judged else "FAILED"
        self._messages.put(lambda client, run_id: client.set_terminated(run_id, status))
        self._messages.put(None)
        self._thread.join(GRACE_S)
        if self._thread.is_alive():
            self._say(f"no answer within {GRACE_S:g} s")

    def _talk(self) -> None:
        try:
            client = open_store(self._store)
            run = tracking.begin(client, self._store, self._stem, self._identity, self._journal)
            run_id = run.info.run_id
            if run.info.status != "RUNNING":
                client.update_run(run_id, status="RUNNING")
            self._had = tracking.epochs_had(client, run_id)  # by a training before this one
            while (message := self._messages.get()) is not None:
                message(client, run_id)
        except Exception as error:  # noqa: BLE001  whatever it is, training goes on
            self._say(f"{type(error).__name__}: {reason(self._store, error)}")

    def _say(self, reason: str) -> None:
        print(
            f"tracking: {self._store} was not told of all of this training ({reason}); nothing is "
            "lost: `register` or `pneumonia sync` sends it from the files",
            file=sys.stderr,
        )


@contextlib.contextmanager
def live_run(
    store: Store, stem: str, identity: Identity, journal: Mapping[str, Any]
) -> Iterator[LiveRun]:
    """A LiveRun, ended when the block is left."""
    run = LiveRun(store, stem, identity, journal)
    try:
        yield run
    finally:
        run.close()
