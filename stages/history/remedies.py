"""Commands that make what lies here the record, and a version promotable."""

import json
from collections.abc import Collection, Mapping, Sequence

from stages.engine import git
from stages.engine.errors import InputError
from stages.history import lineage
from stages.history.lock_file import dvc_md5
from stages.settings import paths

COMMIT = ("git add dvc.lock data", 'git commit -m "The record of this machine"')
"""Make what `dvc repro` has left the record of the next commit."""


def of_another_class() -> str | None:
    """Return words for a machine whose record is not the committed one, with what to do.

    Returns:
        None where the model that lies here is the committed one, or was made by a machine of the
        class that the last commit names, so that another reason explains the difference.
    """
    try:
        committed = json.loads(git.file_at("HEAD", paths.RELEASE))
        here = json.loads(paths.RELEASE.read_text(encoding="utf-8"))
        recorded, own = committed["instruction_set"], here["instruction_set"]
    except (InputError, OSError, ValueError, KeyError, TypeError):
        return None  # nothing is committed, or nothing has run
    recorded_outs = lineage.committed_outs()
    differing = [
        path.as_posix()
        for path in lineage.RELEASED
        if dvc_md5(path) != recorded_outs.get(path.as_posix())
    ]
    if recorded == own or not differing:
        return None
    return (
        "The record in the last commit was made on a machine of another class "
        f"({recorded}; this one: {own}), so bytes differ: {', '.join(differing)}. "
        "Commit this machine's record before the first experiment, which is compared with it and "
        f"goes back to it:{listed(COMMIT)}"
    )


def of_refusal(
    failed: Collection[str], *, closed: bool, pinned: Mapping[str, str], trained: str, again: str
) -> str:
    """Return the commands after which a refused version can pass; "" where no command helps.

    Args:
        failed: The rules that failed.
        closed: Whether dvc.lock records what lies here (`history.chain`).
        pinned: What has to be pinned, by the rules about pins; "" for what params name.
        trained: The rule about what the training read.
        again: The command that was refused.
    """
    steps = [
        f"pneumonia data pin {what}".rstrip() for rule, what in pinned.items() if rule in failed
    ]
    if trained in failed:
        steps.append("dvc repro --force --single-item train")
    if steps or not closed:
        steps.append("dvc repro")
    if steps or any(lineage.passes_once_committed(rule) for rule in failed):
        steps += COMMIT
    return listed([*steps, again]) if steps else ""


def listed(commands: Sequence[str]) -> str:
    """Return commands as indented lines, each after a line break."""
    return "".join(f"\n  {command}" for command in commands)
