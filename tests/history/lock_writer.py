"""Write a dvc.lock as DVC would after a run of what lies in the current folder."""

from pathlib import Path
from typing import Any

import yaml

from stages.engine import keys
from stages.history.lock_file import dvc_md5
from stages.history.plan import PlannedStage


def stage_record(planned: PlannedStage) -> dict[str, Any]:
    """Return what DVC records of a stage that ran with the files that lie here."""
    return {
        "cmd": planned.command,
        "params": {
            file: {key: keys.get(yaml.safe_load(Path(file).read_text()), key) for key in names}
            for file, names in planned.params.items()
        },
        "deps": md5_entries(planned.deps),
        "outs": md5_entries(planned.outs),
    }


def md5_entries(names: frozenset[str]) -> list[dict[str, str | None]]:
    """Return the entries of files or folders in a dvc.lock."""
    return [{"path": name, "md5": dvc_md5(Path(name))} for name in sorted(names)]
