"""The repository's root, also from where DVC runs an experiment in another folder."""

import os
from collections.abc import Mapping
from pathlib import Path


def project_root(start: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """The repository's root as an absolute path, the same for an experiment in another folder.

    DVC names it in DVC_ROOT, also where it runs a stage in a temporary folder (`dvc exp run
    --temp`, `--queue`). Elsewhere it is the nearest folder above `start` (default: the current
    one) that holds `.dvc` or `.git`, or `start` itself.
    """
    if "DVC_ROOT" in environment:
        return Path(environment["DVC_ROOT"]).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir() or (folder / ".git").exists():
            return _above_experiments(folder)
    return here


def _above_experiments(root: Path) -> Path:
    """`root`, or the repository in whose `.dvc/tmp/exps` it lies."""
    for folder in root.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return root


def from_root(path: str) -> Path:
    """Return a path that params give, absolute or relative to the repository's root.

    DVC runs some experiments in another folder and names the repository's root in DVC_ROOT.
    """
    return Path(os.environ.get("DVC_ROOT", "")) / Path(path).expanduser()
