"""Circumstances of a run: what may differ between two runs that must give the same files.

Times, machine, git commit and DVC experiment lie under `.cache/journal/` of the repository's
root, keyed by the digest of what ran or of what it wrote. They are shown in MLflow and written
nowhere under `data/`.
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

_BEGAN = time.monotonic()  # stages import this among the first
_GIT_S = 10  # a repository that answers more slowly has no commit recorded
_OUR_OWN = ("dvc.lock", "data")
"""What the stages before this one change, which makes no tree dirty."""


def circumstances() -> dict[str, Any]:
    """Where and when this process runs, as far as it can be told."""
    others = ["--", ".", *(f":(exclude){path}" for path in _OUR_OWN)]
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "user": _user(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "instruction_set": instruction_set(),
        "git_commit": git.output_or_none("rev-parse", "HEAD", timeout_s=_GIT_S),
        "git_dirty": git.output_or_none("status", "--porcelain", *others, timeout_s=_GIT_S)
        not in ("", None),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME"),
    }


def record(key: str, stage: str, **facts: Any) -> None:
    """Keep how `stage` ran under the name `key`: its circumstances, seconds so far, and `facts`.

    An earlier record of the same stage under the same name goes.
    """
    told = {**circumstances(), "wall_s": round(time.monotonic() - _BEGAN, 1), **facts}
    write_json(_place(key), {**read(key), stage: told})


def read(key: str) -> dict[str, Any]:
    """What was kept under the name `key`, by stage; empty where nothing was."""
    path = _place(key)
    return dict(read_json(path)) if path.exists() else {}


def every() -> Iterator[dict[str, Any]]:
    """All that was kept, as `read` gives it."""
    for path in sorted(_folder().glob("*.json")):
        yield dict(read_json(path))


def _place(key: str) -> Path:
    return _folder() / f"{key}.json"


def _folder() -> Path:
    # The root's, where an experiment runs in a folder that DVC removes when it has ended.
    return project_root() / ".cache" / "journal"


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # in a container, a user may have a number and no name
        return None
