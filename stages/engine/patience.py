"""How long the stages of one `dvc repro` wait for what is not their own, all of them together.

A tracking server that hangs would otherwise cost every stage its own wait. Stages are processes
that DVC starts one after the other, so what they have waited lies in a file named after DVC's
process; the next `dvc repro` starts with all of it again.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from stages.engine.files import read_json, write_json
from stages.engine.root import project_root

TOTAL_S = 10.0
_FORGET_S = 86_400.0


@contextlib.contextmanager
def waiting() -> Iterator[float]:
    """Give the seconds that are left, 0 at least; what the block takes is taken off them."""
    place = _place()
    spent = float(read_json(place)["waited_s"]) if place.exists() else 0.0
    began = time.monotonic()
    try:
        yield max(0.0, TOTAL_S - spent)
    finally:
        write_json(place, {"waited_s": spent + time.monotonic() - began})
        _clean(place.parent)


def _place() -> Path:
    runner = os.getppid()
    return project_root() / ".cache" / "waited" / f"{runner}-{_begun(runner)}.json"


def _begun(process: int) -> str:
    """When a process began, in ticks, for ids are used again; "" where only Linux would tell."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return told.rpartition(")")[2].split()[19]  # the name before may hold anything


def _clean(folder: Path) -> None:
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError):  # another stage was faster
            if time.time() - path.stat().st_mtime > _FORGET_S:
                path.unlink()
