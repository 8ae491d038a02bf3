"""The processes of a run, found by a mark in their environment."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "KILLS_MARK"


@dataclass(frozen=True)
class Member:
    """A living process: its id, and its kind: dvc, stage, worker, live, shell, tracker or other."""

    process: int
    kind: str


def members(mark: str) -> list[Member]:
    """Return every living process with `mark` in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_bytes().split(b"\0")
            if f"{MARK}={mark}".encode() not in environment:
                continue
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if state not in "ZX":
                found.append(Member(int(folder.name), _kind(words)))
    return found


def left_after(mark: str, seconds: float) -> list[Member]:
    """Wait up to `seconds` for all to end; return those that are still alive."""
    deadline = time.monotonic() + seconds
    while (found := members(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def send(process: int, number: int) -> None:
    """Send a signal to a process, which may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _kind(words: str) -> str:
    if "resource_tracker" in words:
        return "tracker"
    if "loky" in words:
        return "worker"
    if "stages.commands.live" in words:
        return "sidecar"
    if "-c exec" in words:
        return "shell"
    if "-m stages." in words:
        return "stage"
    return "dvc" if "dvc" in words else "other"
