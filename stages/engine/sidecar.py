"""A helper process that receives messages from this one and cannot disturb it."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from stages.engine import wait_budget
from stages.engine.console import print_note

_SHUTDOWN_S = 8.0


@contextlib.contextmanager
def sidecar(module: str) -> Iterator[Callable[[Mapping[str, object]], None]]:
    """Run `python -m module` and yield a function that sends it a message.

    Each message is one line of JSON on the sidecar's stdin. Sending never blocks, and no failure
    of the sidecar is raised here. At the end its input is closed and it gets a few seconds to
    finish, at most what is left of the pipeline's wait budget; then it is killed.

    The module is named, not imported, so its code is no dependency of the stage that starts it.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "STARTED_BY": str(os.getpid())},
    )
    assert process.stdin is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # A pipe that is not read fills up and blocks its writer: a thread of its own, not this one.
    writer = threading.Thread(target=_write_lines, args=(process.stdin, lines), name="sidecar")
    writer.start()
    try:
        yield lambda message: lines.put(json.dumps(message) + "\n")
    finally:
        lines.put(None)
        try:
            with wait_budget.spend() as remaining_s:
                timeout_s = min(_SHUTDOWN_S, remaining_s)
                process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print_note(f"{module}: not finished after {timeout_s:.0f} s, killed")
        writer.join()


def _write_lines(pipe: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    """Write lines to the pipe until None comes or the reader is gone, then close it."""
    with contextlib.suppress(OSError), pipe:
        while (line := lines.get()) is not None:
            pipe.write(line)
            pipe.flush()
