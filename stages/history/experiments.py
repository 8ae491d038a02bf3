"""DVC's experiments, asked for and started by its command line: nothing here imports DVC."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.engine import git
from stages.engine.closure import import_closure
from stages.engine.errors import InputError
from stages.engine.files import write_bytes
from stages.settings import paths

LOCK = Path("dvc.lock")
TARGET = "train"
"""Where experiments end: choosing never touches the test split."""

_CODE = ("stages.fetch", "stages.preprocess", "stages.train")
_WRITTEN = (paths.PARAMS, LOCK, paths.INPUTS, paths.SOURCE, paths.VALIDATION, paths.METRICS)
_OUTS = {
    "fetch": paths.RAW,
    "preprocess": paths.SHARDS,
    "train": paths.MODEL,
    "evaluate": paths.CARD,
}
"""Of each stage that experiments run, an out that DVC's cache holds."""


@dataclass(frozen=True)
class Experiment:
    """One experiment, or the commit that experiments start from.

    rev: its commit. date: YYYY-MM-DD, or "" where DVC tells none. params: the whole of
    params.yaml. validation: the content of data/validation.json, or None where nothing was
    trained. state: "" where it is finished, else "queued", "running" or "failed: why".
    """

    name: str
    rev: str
    date: str
    params: dict[str, Any]
    validation: dict[str, Any] | None
    state: str


def listed(rev: str = "HEAD") -> tuple[Experiment, list[Experiment]]:
    """The commit `rev` and the experiments that start from it, oldest first."""
    return read(json.loads(dvc("exp", "show", "--json", "--rev", rev, quiet=True)))


def read(shown: list[dict[str, Any]]) -> tuple[Experiment, list[Experiment]]:
    """What `dvc exp show --json` says of one commit, which stands behind the workspace.

    Raises InputError where no commit was shown.
    """
    commits = [entry for entry in shown if entry["rev"] != "workspace"]
    if not commits:
        raise InputError("dvc exp show: expected a commit, received none; commit the repository")
    found = [
        (entry["revs"][0], (entry.get("executor") or {}).get("state") or "")
        for entry in commits[0]["experiments"] or []
    ]
    found.sort(key=lambda one: ((one[0].get("data") or {}).get("timestamp") or "", one[0]["rev"]))
    return _experiment(commits[0], ""), [_experiment(entry, state) for entry, state in found]


def _experiment(entry: Mapping[str, Any], state: str) -> Experiment:
    data = entry.get("data") or {}
    if entry.get("error"):
        state = f"failed: {entry['error'].get('msg') or 'no reason told'}"
    elif state == "success":
        state = ""
    metrics = (data.get("metrics") or {}).get(paths.VALIDATION.as_posix()) or {}
    params = (data.get("params") or {}).get(paths.PARAMS.as_posix()) or {}
    return Experiment(
        name=entry.get("name") or entry["rev"][:7],
        rev=entry["rev"],
        date=(data.get("timestamp") or "")[:10],
        params=params.get("data") or {},
        # What is queued or has failed shows the figures of the commit that it started from.
        validation=None if state else metrics.get("data"),
        state=state,
    )


def train(name: str, settings: list[str], target: str = TARGET) -> None:
    """Run one experiment to `target` in the workspace, where a killed training is taken up again.

    settings: "key=value", as `dvc exp run -S` takes them. What DVC says goes to stderr.
    """
    changes = [word for one in settings for word in ("-S", one)]
    dvc("exp", "run", "--name", name, *changes, target)


def remove(name: str) -> None:
    """Forget an experiment; what it trained stays in DVC's cache."""
    dvc("exp", "remove", name)


def evaluated(rev: str) -> dict[str, Any] | None:
    """data/report/metrics.json at `rev`; None where it is not of the model that `rev` trained."""
    stages = yaml.safe_load(git.file_at(rev, LOCK))["stages"]
    trained = {out["path"]: out["md5"] for out in stages["train"]["outs"]}
    judged = {dep["path"]: dep["md5"] for dep in stages.get("evaluate", {}).get("deps", ())}
    model = paths.MODEL.as_posix()
    if trained[model] != judged.get(model):
        return None
    metrics: dict[str, Any] = json.loads(git.file_at(rev, paths.METRICS))
    return metrics


@contextlib.contextmanager
def workspace_kept() -> Iterator[None]:
    """Put params.yaml, dvc.lock, the figures and DVC's outs back, whatever happens inside."""
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
        if changed and outs and before[LOCK] is not None:
            dvc("checkout", *outs)


def code_differs(rev: str) -> list[str]:
    """Files that decide a training and are not what they were at `rev`."""
    files = {path.as_posix() for module in _CODE for path in import_closure(module, Path())}
    return git.output(
        "diff", "--name-only", rev, "--", paths.LOCK.as_posix(), *sorted(files)
    ).split()


def dvc(
    *words: str, quiet: bool = False, folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """Run a DVC command of this environment; its stdout where `quiet`, else shown on stderr.

    folder: where (default: here). environment: the variables that it sees (default: ours).
    Raises InputError where it fails, with what it said.
    """
    seen = os.environ if environment is None else environment
    bin_folder = str(Path(sys.executable).parent)
    path = f"{bin_folder}{os.pathsep}{seen.get('PATH', '')}"  # for the stages' `python`
    sys.stderr.flush()
    finished = subprocess.run(
        [sys.executable, "-m", "dvc", *words], env={**seen, "PATH": path}, text=True, cwd=folder,
        stdout=subprocess.PIPE if quiet else sys.stderr, check=False,
        stderr=subprocess.PIPE if quiet else None,
    )  # fmt: skip
    if finished.returncode:
        said = f": {(finished.stderr or '').strip()}" if quiet else "; it says why above"
        raise InputError(f"dvc {' '.join(words)}: ended with status {finished.returncode}{said}")
    return finished.stdout or ""
