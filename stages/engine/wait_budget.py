"""How long all stages of one `dvc repro` together may wait for a tracking server.

Without a shared limit, a server that hangs would delay every stage in turn. DVC runs each stage as
a process of its own, so the time spent is kept in a file named after the DVC process. The next
`dvc repro` starts with the full budget.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from stages.engine.files import read_json, write_json
from stages.engine.root import project_root

TOTAL_S = 10.0
_KEEP_S = 86_400.0


@contextlib.contextmanager
def spend() -> Iterator[float]:
    """Yield the seconds that are left (at least 0) and charge the time the block takes."""
    path = _path()
    spent_s = float(read_json(path)["spent_s"]) if path.exists() else 0.0
    start = time.monotonic()
    try:
        yield max(0.0, TOTAL_S - spent_s)
    finally:
        write_json(path, {"spent_s": spent_s + time.monotonic() - start})
        _remove_old(path.parent)


def _path() -> Path:
    runner = os.getppid()
    folder = project_root() / ".cache" / "wait_budget"
    return folder / f"{runner}-{_start_time(runner)}.json"


def _start_time(process: int) -> str:
    """Start time of a process in clock ticks, as process ids are reused; "" except on Linux."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]  # field 22; the name, field 2, may hold anything


def _remove_old(folder: Path) -> None:
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError):  # another stage removed it first
            if time.time() - path.stat().st_mtime > _KEEP_S:
                path.unlink()
