"""Does the last commit record exactly what lies under data/?"""

import json

from stages.engine.errors import NotFound
from stages.engine.files import read_json
from stages.history import chain
from stages.history.lock_file import LockFile, dvc_md5
from stages.metrics.trees import RoleFigures
from stages.settings import paths

RELEASED = (paths.MODEL, paths.VALIDATION, paths.METRICS, paths.RELEASE)
"""What a release is made from: outs of train, evaluate and register."""


_RAN = "fetch to evaluate ran with what lies here (HEAD's dvc.lock)"
_NAMED = "what HEAD's dvc.lock names"


def compare_with_head(model_digest: str) -> list[tuple[str, str | None, str | None]]:
    """Compare what lies under data/ with the dvc.lock of the last commit.

    Args:
        model_digest: Of the version that is to be released.

    Returns:
        (rule, found, required) for each rule: the model, its figures and release.json are the outs
        that HEAD's dvc.lock records, and release.json names the version's model. A rule holds
        where found and required are equal and not None.
    """
    recorded = committed_outs()
    rules: list[tuple[str, str | None, str | None]] = [
        (f"{path} is {_NAMED}", dvc_md5(path), recorded.get(path.as_posix())) for path in RELEASED
    ]
    return [*rules, (f"{paths.RELEASE} names this version's model", _released(), model_digest)]


def recorded_chain() -> tuple[str, str | None, str]:
    """Return the rule that HEAD's dvc.lock records fetch to evaluate with what lies here.

    As `compare_with_head` returns rules; found is the first difference if there is one.
    """
    found = chain.workspace_mismatches(_committed())
    return (
        _RAN,
        str(found[0]) if found else "yes",
        "yes",
    )


def committed_outs() -> dict[str, str]:
    """Return MD5 by path of the outs in HEAD's dvc.lock; empty where there is none."""
    return _committed().outs


def passes_once_committed(rule: str) -> bool:
    """Whether a commit of dvc.lock and data/ can make a rule of the lineage pass."""
    return rule == _RAN or rule.endswith(_NAMED)


def _committed() -> LockFile:
    try:
        return LockFile.at("HEAD")
    except NotFound:
        return LockFile({})


def released_figures(model_digest: str) -> RoleFigures | None:
    """Return the figures by role under data/; None where they are not those of this model.

    Raises:
        InputError: release.json names this model, and its figures are not there.
    """
    if _released() != model_digest:
        return None
    return {**read_json(paths.VALIDATION), **read_json(paths.METRICS)}


def _released() -> str | None:
    """The model digest in release.json; None where there is none that can be read."""
    try:
        return str(json.loads(paths.RELEASE.read_text(encoding="utf-8"))["model_digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
