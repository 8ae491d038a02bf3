"""A process that promotes a version.

`python -m tests.registry.promoter VERSION KILLED_AT WAIT_FOR`

KILLED_AT: "" or a method of MLflow's client; the process kills itself before it, or after it if a
"!" follows. WAIT_FOR: "" or a file that the assessment waits for, after creating WAIT_FOR.here.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

NAME = "pneumonia-phantom"


def main(version: str, killed_at: str, wait_for: str) -> None:
    from stages.engine.errors import InputError
    from stages.registry.connection import open_store
    from stages.registry.gate import promote
    from stages.registry.store import find_store
    from tests.registry.test_gate import gate

    store = find_store(Path.cwd())
    client = open_store(store)
    if killed_at:
        _kill_at(client, killed_at)

    def lineage(model: str) -> list[tuple[str, str | None, str | None]]:
        if wait_for:
            Path(f"{wait_for}.here").touch()
            while not Path(wait_for).exists():
                time.sleep(0.05)
        return [("HEAD names it", model, model)]

    try:
        # Overridden, because there are no images to compare it with a champion on.
        outcome = promote(client, store, NAME, version, gate(lineage=lineage), override="a test")
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"moved to {outcome.version}")


def _kill_at(client: Any, killed_at: str) -> None:
    name = killed_at.removesuffix("!")
    method = getattr(client, name)

    def kill(*arguments: Any, **options: Any) -> Any:
        if killed_at.endswith("!"):
            method(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(client, name, kill)


if __name__ == "__main__":
    main(*sys.argv[1:])
