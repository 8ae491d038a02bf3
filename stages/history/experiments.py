"""DVC's experiments: list, run and remove them."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import git
from stages.engine.closure import import_closure
from stages.engine.errors import InputError
from stages.engine.files import write_bytes
from stages.history import dvc, lock_file
from stages.history.lock_file import LockFile
from stages.metrics.trees import RoleFigures
from stages.settings import paths

TARGET = "train"
"""The stage that experiments end with: recipes are chosen without looking at the test split."""

_CODE = ("stages.fetch", "stages.preprocess", "stages.train")
_WRITTEN = (
    paths.PARAMS,
    lock_file.PATH,
    paths.INPUTS,
    paths.SOURCE,
    paths.VALIDATION,
    paths.METRICS,
)
_OUTS = {
    "fetch": paths.RAW,
    "preprocess": paths.SHARDS,
    "train": paths.MODEL,
    "evaluate": paths.CARD,
}
"""For each stage that experiments run, one out that lies in DVC's cache."""


@dataclass(frozen=True)
class Experiment:
    """One experiment, or the commit that experiments start from.

    rev: its commit. date: YYYY-MM-DD, or "" where DVC knows none. params: the whole of
    params.yaml. validation: the content of data/validation.json, or None where nothing was
    trained. state: "" where it has finished, else "queued", "running" or "failed: why".
    """

    name: str
    rev: str
    date: str
    params: dict[str, Any]
    validation: RoleFigures | None
    state: str


def list_experiments(rev: str = "HEAD") -> tuple[Experiment, list[Experiment]]:
    """Return the commit `rev`, and the experiments that start from it, oldest first."""
    return parse_listing(json.loads(dvc.output("exp", "show", "--json", "--rev", rev)))


def parse_listing(listing: Sequence[Mapping[str, Any]]) -> tuple[Experiment, list[Experiment]]:
    """Parse the output of `dvc exp show --json` for one commit.

    Raises:
        InputError: There is no commit in it.
    """
    commits = [entry for entry in listing if entry["rev"] != "workspace"]
    if not commits:
        raise InputError("dvc exp show: expected a commit, received none; commit the repository")
    entries = [
        (experiment["revs"][0], (experiment.get("executor") or {}).get("state") or "")
        for experiment in commits[0]["experiments"] or []
    ]
    entries.sort(key=lambda one: ((one[0].get("data") or {}).get("timestamp") or "", one[0]["rev"]))
    return _experiment(commits[0], ""), [_experiment(entry, state) for entry, state in entries]


def _experiment(entry: Mapping[str, Any], state: str) -> Experiment:
    data = entry.get("data") or {}
    if entry.get("error"):
        state = f"failed: {entry['error'].get('msg') or 'DVC gives no reason'}"
    elif state == "success":
        state = ""
    metrics = (data.get("metrics") or {}).get(paths.VALIDATION.as_posix()) or {}
    params = (data.get("params") or {}).get(paths.PARAMS.as_posix()) or {}
    return Experiment(
        name=entry.get("name") or entry["rev"][:7],
        rev=entry["rev"],
        date=(data.get("timestamp") or "")[:10],
        params=params.get("data") or {},
        # DVC gives a queued or failed experiment the figures of the commit it started from.
        validation=None if state else metrics.get("data"),
        state=state,
    )


def train(name: str, settings: Sequence[str], target: str = TARGET) -> None:
    """Run one experiment up to the stage `target`, in the workspace.

    There, a training that was killed is continued.

    Args:
        name: The experiment's name.
        settings: Changes of params.yaml, each "key=value" as `dvc exp run -S` takes it.
        target: The last stage.
    """
    changes = [word for setting in settings for word in ("-S", setting)]
    dvc.run("exp", "run", "--name", name, *changes, target)


def remove(name: str) -> None:
    """Remove an experiment; its model stays in DVC's cache."""
    dvc.run("exp", "remove", name)


def metrics_at(rev: str) -> RoleFigures | None:
    """Return data/report/metrics.json at `rev`; None where it is of another model than `rev`'s."""
    lock = LockFile.at(rev)
    model = paths.MODEL.as_posix()
    if lock.stage("train").outs[model] != lock.stage("evaluate").deps.get(model):
        return None
    metrics: RoleFigures = json.loads(git.file_at(rev, paths.METRICS))
    return metrics


@contextlib.contextmanager
def restored_workspace() -> Iterator[None]:
    """On exit, restore params.yaml, dvc.lock, the figures and DVC's outs as they were."""
    before = {path: path.read_bytes() if path.exists() else None for path in _WRITTEN}
    outs = [stage for stage, path in _OUTS.items() if path.exists()]
    try:
        yield
    finally:
        changed = False
        for path, content in before.items():
            now = path.read_bytes() if path.exists() else None
            changed |= now != content
            if content is None:
                path.unlink(missing_ok=True)
            elif now != content:
                write_bytes(path, content)
        if changed and outs and before[lock_file.PATH] is not None:
            dvc.run("checkout", *outs)


def changed_code(rev: str) -> list[str]:
    """Return the files that decide a training and differ from those at `rev`."""
    files = {path.as_posix() for module in _CODE for path in import_closure(module, Path())}
    return git.output(
        "diff", "--name-only", rev, "--", paths.LOCK.as_posix(), *sorted(files)
    ).split()
