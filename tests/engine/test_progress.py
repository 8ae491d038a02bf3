"""Bars on a terminal only; items and their order are those of the iterable."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from stages.engine.progress import byte_progress, progress

# Bars inside bars, and one whose reader stops early: each would be an error of Rich's own, if any.
NESTED = """
import time
from stages.engine.progress import byte_progress, image_progress, progress
early = progress(range(9), label="early")
next(early)
with byte_progress(label="bytes", total=3) as advance:
    for item in progress(progress(iter(range(3)), label="inner"), label="outer", total=3):
        advance(1)
        print("item", item)
with image_progress(label="images", total=2000, done=1500) as advance:
    for _ in range(3):
        time.sleep(0.3)
        advance(100)
list(progress(range(2), label="[red]hostile[/red]\\x1b[2J"))
try:
    list(progress(map(lambda n: 1 // n, (1, 0)), label="failing", total=2))
except ZeroDivisionError:
    print("raised")
"""


def test_no_bar_and_no_rich_where_stderr_is_no_terminal() -> None:
    script = (
        "import sys\n"
        "from stages.engine.progress import byte_progress, image_progress, progress\n"
        "with image_progress(label='x', total=2) as advance:\n"
        "    advance(2)\n"
        "print(list(progress(range(3), label='x')))\n"
        "with byte_progress(label='x', total=None) as advance:\n"
        "    advance(5)\n"
        "print('rich' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines() == ["[0, 1, 2]", "False"]
    assert finished.stderr == ""


def test_items_are_taken_one_at_a_time() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(3):
            taken.append(number)
            yield number

    reader = progress(items(), label="x", total=3)
    assert next(reader) == 0
    assert taken == [0]
    with byte_progress(label="x", total=1) as advance:
        advance(1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_bars_on_a_terminal_may_be_nested_and_left_early() -> None:
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", NESTED],
        stdout=subprocess.PIPE,
        stderr=end,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(end)
        drawn = b""
        while chunk := _read(terminal):
            drawn += chunk
        assert process.stdout is not None
        printed = process.stdout.read()
    os.close(terminal)
    assert process.returncode == 0, drawn.decode()
    assert printed.split() == ["item", "0", "item", "1", "item", "2", "raised"]
    for label in ("outer", "inner", "bytes", "failing", "1600/2000", " images/s"):
        assert label in drawn.decode()
    assert r"[red]hostile[/red]\x1b[2J" in drawn.decode()
    assert b"\x1b[2J" not in drawn
    assert "Traceback" not in drawn.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""
