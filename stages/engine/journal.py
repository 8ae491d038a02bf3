"""Circumstances of a run: what may differ between two runs that must give the same files.

Times, machine, git commit and DVC experiment lie under `.cache/journal/`, keyed by the
digest of what ran. They are shown in MLflow and written nowhere under `data/`.
"""

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from stages.engine.devices import instruction_set
from stages.engine.files import read_json, write_json

FOLDER = Path(".cache") / "journal"


def circumstances() -> dict[str, Any]:
    """Where and when this process runs, as far as it can be told."""
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "instruction_set": instruction_set(),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": _git("status", "--porcelain") not in ("", None),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME"),
    }


def write(key: str, stage: str, facts: dict[str, Any]) -> None:
    """Keep what `stage` has to say about the run named `key`, beside what is there."""
    write_json(FOLDER / f"{key}.json", {**read(key), stage: facts})


def read(key: str) -> dict[str, Any]:
    """What was kept for the run named `key`, by stage; empty where nothing was."""
    path = FOLDER / f"{key}.json"
    return dict(read_json(path)) if path.exists() else {}


def _git(*arguments: str) -> str | None:
    try:
        finished = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout.strip()
