"""Trace the points of a run, and pause a process at one of them.

Python loads this module in every process whose PYTHONPATH names this folder. A point is a change
that is about to be made to a file in the repository, or the start of a stage by DVC. Every point
is appended to the file KILLS_TRACE. KILLS_STOP names a JSON file, {"point", "nth"}: the process
that reaches that point for the nth time writes its id to `KILLS_STOP`.here and pauses while that
file exists.
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
_CHANGES = {
    "os.rename": 1,
    "os.remove": 0,
    "os.rmdir": 0,
    "os.mkdir": 0,
    "os.link": 1,
    "os.chmod": 0,
}
"""Which argument of an audit event is the path that changes."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_VARYING = re.compile(
    r"[\w-]{20,}(?=\.tmp)|(?<=tmp)\w{8}|(?<![A-Za-z])[0-9a-f]{2,}(?![A-Za-z])|[0-9]+"
)
"""The parts of a name that differ between runs or between epochs."""


class _Points:
    """Names the points of this process, and pauses at the requested one."""

    def __init__(self) -> None:
        self.busy = False
        self.stage = "start"
        self.count = 0
        self.requested: dict[str, Any] = {}
        if _STOP and os.path.exists(_STOP):  # noqa: PTH110
            with open(_STOP, encoding="utf-8") as handle:  # noqa: PTH123
                self.requested = json.load(handle)

    def role(self) -> str:
        """Return the stage of this process; for DVC, `dvc:` and the stage that it started last."""
        words = " ".join(sys.orig_argv[:4])
        if "stages.commands.live" in words:
            return "sidecar"
        if "loky" in words or "resource_tracker" in words:
            return "worker"
        if "stages." in words:
            return os.environ.get("DVC_STAGE", "command")
        return f"dvc:{self.stage}"

    def on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
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
        return f"{event} {_VARYING.sub('#', full[len(_ROOT) + 1 :])}"

    def passed(self, point: str) -> None:
        if _TRACE:
            trace = os.open(_TRACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(trace, f"{point}\n".encode())
            os.close(trace)
        if point != self.requested.get("point"):
            return
        self.count += 1
        if self.count == self.requested["nth"]:
            here = f"{_STOP}.here"
            with open(f"{here}.part", "w", encoding="utf-8") as handle:  # noqa: PTH123
                handle.write(str(os.getpid()))
            os.rename(f"{here}.part", here)  # noqa: PTH104
            while os.path.exists(here):  # noqa: PTH110
                time.sleep(0.02)


if _ROOT:
    sys.addaudithook(_Points().on_event)
