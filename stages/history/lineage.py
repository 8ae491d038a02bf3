"""Does the last commit name exactly what lies under data/? Reads `dvc.lock` as git has it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.engine import git
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.settings import paths

NAMED = (paths.MODEL, paths.VALIDATION, paths.METRICS, paths.RELEASE)
"""What a release comes from: outs of train, evaluate and register."""


def lineage(model_digest: str) -> list[tuple[str, str | None, str | None]]:
    """What must be the same for a version to be the committed one: (what, found, required).

    The model, its figures and the release must be the outs that HEAD's dvc.lock names, and the
    release must name the version's model.
    """
    locked = _locked()
    named: list[tuple[str, str | None, str | None]] = [
        (f"{path} is what HEAD's dvc.lock names", md5(path), locked.get(path.as_posix()))
        for path in NAMED
    ]
    return [*named, (f"{paths.RELEASE} names this version's model", _released(), model_digest)]


def report(model_digest: str) -> dict[str, Any] | None:
    """The figures by role under data/; None where they are not those of this model.

    Raises InputError where the release names this model and its figures are not there.
    """
    if _released() != model_digest:
        return None
    return {**read_json(paths.VALIDATION), **read_json(paths.METRICS)}


def _released() -> str | None:
    try:
        return str(json.loads(paths.RELEASE.read_text(encoding="utf-8"))["model_digest"])
    except (OSError, ValueError, KeyError):
        return None


def md5(path: Path) -> str | None:
    """The name that DVC gives to a file or folder; None where it is not there.

    A folder's is the MD5 of the JSON list of its files, sorted by path, with ".dir" behind it.
    """
    if path.is_file():
        return _md5(path.read_bytes())
    if not path.is_dir():
        return None
    files = sorted(
        found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()
    )
    listed = [{"md5": _md5((path / name).read_bytes()), "relpath": name} for name in files]
    return _md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _locked() -> dict[str, str]:
    """MD5 by path of the outs in HEAD's dvc.lock; empty where HEAD has none."""
    try:
        text = git.file_at("HEAD", Path("dvc.lock"))
    except InputError:
        return {}
    stages: Mapping[str, Any] = (yaml.safe_load(text) or {}).get("stages", {})
    return {
        out["path"]: str(out.get("md5"))
        for stage in stages.values()
        for out in stage.get("outs", [])
    }
