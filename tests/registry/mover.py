"""A process that promotes: `python -m tests.registry.mover VERSION DIES_AT WAIT_FOR`.

DIES_AT: "" or a method of MLflow's client, before which the process kills itself; with a "!" at
the end, after it. WAIT_FOR: "" or a file that the judging waits for, having made WAIT_FOR.here.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

NAME = "pneumonia-phantom"


def main(version: str, dies_at: str, wait_for: str) -> None:
    from stages.engine.errors import InputError
    from stages.registry.gate import promote
    from stages.registry.store import find_store, open_store
    from tests.registry.test_gate import gate

    store = find_store(Path.cwd())
    client = open_store(store)
    if dies_at:
        _die(client, dies_at)

    def lineage(model: str) -> list[tuple[str, str | None, str | None]]:
        if wait_for:
            Path(f"{wait_for}.here").touch()
            while not Path(wait_for).exists():
                time.sleep(0.05)
        return [("HEAD names it", model, model)]

    try:
        # Overridden: where there is a champion, there is no image to compare it on.
        outcome = promote(client, store, NAME, version, gate(lineage=lineage), override="a test")
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"moved to {outcome.version}")


def _die(client: Any, dies_at: str) -> None:
    name = dies_at.removesuffix("!")
    method = getattr(client, name)

    def dying(*words: Any, **more: Any) -> Any:
        if dies_at.endswith("!"):
            method(*words, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(client, name, dying)


if __name__ == "__main__":
    main(*sys.argv[1:])
