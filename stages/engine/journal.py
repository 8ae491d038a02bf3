"""Circumstances of a run: facts that may differ between two runs which must give the same files.

Times, machine, git commit and DVC experiment are kept under `.cache/journal/` of the repository's
root, by the digest of what ran or of what it wrote. MLflow shows them; nothing under `data/` holds
them.
"""

import datetime
import getpass
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.engine import git
from stages.engine.devices import instruction_set
from stages.engine.files import read_json, write_json
from stages.engine.root import project_root

_START = time.monotonic()
"""About when the process started: stages import this module among the first."""
_GIT_TIMEOUT_S = 10
_PIPELINE_OUTPUTS = ("dvc.lock", "data")
"""Changed by earlier stages of the same run, so they don't make the working tree dirty."""


def circumstances() -> dict[str, Any]:
    """Return where and when this process runs; None for what cannot be found out."""
    status = ("status", "--porcelain", "--", ".")
    excluded = [f":(exclude){path}" for path in _PIPELINE_OUTPUTS]
    changes = git.output_or_none(*status, *excluded, timeout_s=_GIT_TIMEOUT_S)
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "user": _user(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "instruction_set": instruction_set(),
        "git_commit": git.output_or_none("rev-parse", "HEAD", timeout_s=_GIT_TIMEOUT_S),
        "git_dirty": bool(changes),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME"),
    }


def record(key: str, stage: str, **facts: Any) -> None:
    """Record how `stage` ran: its circumstances, its seconds so far, and `facts`.

    Replaces an earlier record of the same stage under the same key.
    """
    entry = {**circumstances(), "wall_s": round(time.monotonic() - _START, 1), **facts}
    write_json(_path(key), {**read(key), stage: entry})


def read(key: str) -> dict[str, Any]:
    """Return the records under `key` by stage; empty where there are none."""
    path = _path(key)
    return dict(read_json(path)) if path.exists() else {}


def read_all() -> Iterator[dict[str, Any]]:
    """Yield the records of every key, each as `read` returns them."""
    for path in sorted(_folder().glob("*.json")):
        yield dict(read_json(path))


def _path(key: str) -> Path:
    return _folder() / f"{key}.json"


def _folder() -> Path:
    # Of the root, because DVC removes the folder of an experiment when it ends.
    return project_root() / ".cache" / "journal"


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # in a container, a user may have a number and no name
        return None
