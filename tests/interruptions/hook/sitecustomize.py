"""Loaded by every Python process whose PYTHONPATH names this folder: the points of a run.

A point is a change of a file in the repository, about to be made, or the end of a stage seen by
DVC. `KILLS_TRACE` names a file that lists every point passed. `KILLS_STOP` names a JSON file,
{"point", "nth"}: the process that comes to that point for the nth time writes its id to
`KILLS_STOP`.here and stands still while that file is there.
"""

import json
import os
import re
import sys
import time
from typing import Any

_ROOT = os.environ.get("KILLS_ROOT", "")
_TRACE = os.environ.get("KILLS_TRACE")
_STOP = os.environ.get("KILLS_STOP")
_CHANGES = {"os.rename": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0, "os.link": 1,
            "os.chmod": 0}  # fmt: skip
"""Which argument of an event names what will be changed."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_DRAWN = re.compile(
    r"[\w-]{20,}(?=\.tmp)|(?<=tmp)\w{8}|(?<![A-Za-z])[0-9a-f]{2,}(?![A-Za-z])|[0-9]+"
)
"""What differs in a name from one run to the next, or from one epoch to the next."""


class _Points:
    """Names the points of this process, and stops at the one that was asked for."""

    def __init__(self) -> None:
        self.busy = False
        self.stage = "start"
        self.count = 0
        self.wanted: dict[str, Any] = {}
        if _STOP and os.path.exists(_STOP):  # noqa: PTH110
            with open(_STOP, encoding="utf-8") as handle:  # noqa: PTH123
                self.wanted = json.load(handle)

    def role(self) -> str:
        """The stage that this process is of; `dvc` with the stage that it started last."""
        words = " ".join(sys.orig_argv[:4])
        if "stages.commands.live" in words:
            return "live"
        if "loky" in words or "resource_tracker" in words:
            return "worker"
        if "stages." in words:
            return os.environ.get("DVC_STAGE", "command")
        return f"dvc:{self.stage}"

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            name = self.name(event, arguments)
            if name:
                self.passed(f"{self.role()} {name}")
        finally:
            self.busy = False

    def name(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        if event == "subprocess.Popen":
            found = re.search(r"-m stages\.(\w+)", " ".join(map(str, arguments[1])))
            if found:
                self.stage = found[1]
                return f"start {found[1]}"
            return None
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITING:
                return None
        elif event in _CHANGES:
            path = arguments[_CHANGES[event]]
        else:
            return None
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        if not full.startswith(_ROOT + os.sep) or "__pycache__" in full:
            return None
        return f"{event} {_DRAWN.sub('#', full[len(_ROOT) + 1 :])}"

    def passed(self, point: str) -> None:
        if _TRACE:
            place = os.open(_TRACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(place, f"{point}\n".encode())
            os.close(place)
        if point != self.wanted.get("point"):
            return
        self.count += 1
        if self.count == self.wanted["nth"]:
            here = f"{_STOP}.here"
            with open(f"{here}.part", "w", encoding="utf-8") as handle:  # noqa: PTH123
                handle.write(str(os.getpid()))
            os.rename(f"{here}.part", here)  # noqa: PTH104
            while os.path.exists(here):  # noqa: PTH110
                time.sleep(0.02)


if _ROOT:
    sys.addaudithook(_Points().hear)
