"""Earlier runs, as git and DVC's cache keep them: experiments, and commits of `dvc.lock`.

What tracking shows of a run is a few small files. They are brought into a folder of their own;
nothing in the workspace changes, and nothing here imports DVC.
"""

import contextlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.engine import git
from stages.engine.errors import InputError
from stages.history import experiments
from stages.history.lineage import md5
from stages.settings import paths

PLAN = Path("dvc.yaml")
_TREE = (PLAN, experiments.LOCK, paths.PARAMS, paths.LOCK, Path("stages"))
"""What of a commit decides a run and packages its model."""

_KEPT = (paths.INPUTS, paths.SOURCE)
"""What git keeps of the images' origin; a commit of an earlier format has none of it."""

_FILES = {paths.RAW: ("index.csv",), paths.SHARDS: ("manifest.json", "records.csv")}
"""Of folders with images, what is shown."""

_TRAINED = ("fetch", "preprocess", "train")


class MissingError(Exception):
    """What a run is shown from is not in DVC's cache."""


@dataclass(frozen=True)
class Past:
    """A commit, and the DVC experiment that it is, if it is one.

    commit: the one that the experiment started from, or `rev` itself.
    """

    rev: str
    experiment: str | None
    commit: str

    def __str__(self) -> str:
        return self.experiment or self.rev[:7]


def listed() -> list[Past]:
    """Every experiment, then every commit of a branch or tag that changed dvc.lock, newest first.

    Of commits that hold the same run, the newest alone.
    """
    found = []
    refs = git.output("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps")
    for line in refs.splitlines():
        # Where DVC keeps finished experiments; its queue and its stash lie beside them.
        name = re.fullmatch(r"(\w+) refs/exps/(\w{2})/(\w{38})/(.+)", line)
        if name:
            found.append(Past(name[1], name[4], name[2] + name[3]))
    revs = ("--branches", "--tags", "--remotes", "HEAD", "--", experiments.LOCK.as_posix())
    commits = git.output("log", "--format=%H", *revs).split()
    found += [Past(rev, None, rev) for rev in commits]
    seen: set[tuple[str, ...]] = set()
    different = []
    for past in found:
        names = [f"{past.rev}:{path.as_posix()}" for path in (*_TREE, paths.VALIDATION)]
        try:
            held = tuple(git.output("rev-parse", *names).split())
        except InputError:
            continue  # a commit without one of them holds no run
        if held not in seen:
            seen.add(held)
            different.append(past)
    return different


def bring(past: Past, cache: Path, folder: Path) -> bool | None:
    """Bring what `past` is shown from into `folder`; whether evaluate judged it too.

    None where its dvc.lock tells of another training than its own code and params would run.
    cache: DVC's. Raises MissingError where the cache lacks something.
    """
    _unpack(past.rev, folder)
    lock, plan = _read(folder / experiments.LOCK), _read(folder / PLAN)
    if not all(answers(folder, stage, lock, plan) for stage in _TRAINED):
        return None
    judged = answers(folder, "evaluate", lock, plan)
    for stage in (*_TRAINED, "evaluate") if judged else _TRAINED:
        for out in lock["stages"][stage]["outs"]:
            # Images may be elsewhere: of data/raw, only how long fetch took is shown.
            raw = out["path"] == paths.RAW.as_posix()
            with contextlib.suppress(MissingError) if raw else contextlib.nullcontext():
                _bring(out, cache, folder)
    return judged


def answers(tree: Path, stage: str, lock: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Whether `lock` tells of `stage` as the code, params and plan in `tree` would run it."""
    told, planned = lock["stages"].get(stage), plan["stages"][stage]
    if told is None or told["cmd"] != planned["cmd"]:
        return False
    made = {out["path"]: out["md5"] for other in lock["stages"].values() for out in other["outs"]}
    had = {dep["path"]: dep["md5"] for dep in told["deps"]}
    if set(had) != set(planned["deps"]):
        return False
    if any(name != (made.get(path) or md5(tree / path)) for path, name in had.items()):
        return False
    settings = _read(tree / paths.PARAMS)
    used = told.get("params", {})
    if {path: set(values) for path, values in used.items()} != _planned_params(planned):
        return False
    trees = {path: settings if path == paths.PARAMS.as_posix() else _inputs(tree) for path in used}
    return all(
        value == _at(trees[path], key)
        for path, values in used.items()
        for key, value in values.items()
    )


def _planned_params(planned: Mapping[str, Any]) -> dict[str, set[str]]:
    """The keys that a stage of dvc.yaml reads, by file."""
    found: dict[str, set[str]] = {}
    for entry in planned["params"]:
        files = entry if isinstance(entry, dict) else {paths.PARAMS.as_posix(): [entry]}
        for path, keys in files.items():
            found.setdefault(path, set()).update(keys)
    return found


def _inputs(tree: Path) -> Any:
    """data/inputs.json of a tree; nothing where the tree is of a time before there was one."""
    path = tree / paths.INPUTS
    return _read(path) if path.exists() else {}


def workspace() -> bool | None:
    """Whether evaluate judged what lies under data/; None where dvc.lock tells of another run."""
    try:
        lock, plan = _read(experiments.LOCK), _read(PLAN)
    except FileNotFoundError:
        return None
    made = [out for stage in lock["stages"].values() for out in stage["outs"]]
    model = [out["md5"] for out in made if out["path"] == paths.MODEL.as_posix()]
    if model != [md5(paths.MODEL)]:
        return None
    if not all(answers(Path(), stage, lock, plan) for stage in _TRAINED):
        return None
    return answers(Path(), "evaluate", lock, plan)


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _at(tree: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _unpack(rev: str, folder: Path) -> None:
    """The commit's code, params, lock files and figures; those that it has."""
    wanted = [path.as_posix() for path in (*_TREE, *_KEPT, paths.VALIDATION, paths.REPORT)]
    have = git.output("ls-tree", "--name-only", rev, *wanted).splitlines()
    packed = git.output_bytes("archive", "--format=tar", rev, "--", *have)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _bring(out: Mapping[str, Any], cache: Path, folder: Path) -> None:
    path, name = Path(out["path"]), str(out["md5"])
    if md5(folder / path) == name:  # git keeps it
        return
    stored = _stored(cache, name)
    if not name.endswith(".dir"):
        _copy(stored, folder / path)
        return
    for entry in json.loads(stored.read_text(encoding="utf-8")):
        if path not in _FILES or entry["relpath"] in _FILES[path]:
            _copy(_stored(cache, entry["md5"]), folder / path / entry["relpath"])


def _stored(cache: Path, name: str) -> Path:
    """Where DVC keeps the content named `name`."""
    stored = cache / "files" / "md5" / name[:2] / name[2:]
    if not stored.exists():
        raise MissingError(name)
    return stored


def _copy(stored: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(stored, to)
