"""Find the repository's root, also where DVC runs an experiment in another folder."""

import os
from collections.abc import Mapping
from pathlib import Path


def project_root(start: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the repository's root as an absolute path, also for an experiment in another folder.

    DVC sets DVC_ROOT, also where it runs a stage in a temporary folder (`dvc exp run --temp`,
    `--queue`). Without it, the root is the nearest folder at or above `start` that holds `.dvc` or
    `.git`, else `start` itself.

    Args:
        start: The current folder by default.
        environment: Environment variables, this process's by default.
    """
    if "DVC_ROOT" in environment:
        return Path(environment["DVC_ROOT"]).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir() or (folder / ".git").exists():
            return _above_experiments(folder)
    return here


def _above_experiments(root: Path) -> Path:
    """Return `root`, or the repository whose `.dvc/tmp/exps` holds it."""
    for folder in root.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return root


def from_root(path: str) -> Path:
    """Return a path that params give, absolute or relative to the repository's root.

    DVC runs some experiments in another folder and names the repository's root in DVC_ROOT.
    """
    return Path(os.environ.get("DVC_ROOT", "")) / Path(path).expanduser()
