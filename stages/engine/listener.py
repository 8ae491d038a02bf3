"""A process beside this one that hears rows of numbers and can do this one no harm."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from stages.engine import patience

_GRACE_S = 8.0


@contextlib.contextmanager
def listener(module: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Start `python -m module` and give a function that sends it a message, one JSON line each.

    Nothing that happens to the listener is raised here, and nothing waits for it but the end,
    for some of the pipeline's seconds of patience at most. It is no import, so its code is no
    dependency of what it hears.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, text=True,
        env={**os.environ, "STARTED_BY": str(os.getpid())},
    )  # fmt: skip
    assert process.stdin is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # A pipe that nobody reads fills up, and whoever writes to it then waits: not this thread.
    writer = threading.Thread(target=_write, args=(process.stdin, lines), name="listener")
    writer.start()
    try:
        yield lambda message: lines.put(json.dumps(message) + "\n")
    finally:
        lines.put(None)
        try:
            with patience.waiting() as left:
                grace = min(_GRACE_S, left)
                process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"{module}: not done within {grace:.0f} s, left behind", file=sys.stderr)
        writer.join()


def _write(pipe: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    """Write lines until None comes, then close; an end that no longer listens ends it too."""
    with contextlib.suppress(OSError), pipe:
        while (line := lines.get()) is not None:
            pipe.write(line)
            pipe.flush()
