"""A commit's pipeline, built again in a temporary clone whose DVC cache is empty."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import yaml

from stages.engine import git
from stages.engine.errors import InputError
from stages.history import experiments
from stages.settings import paths

_PREFIX = "pneumonia-verify-"
_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def clone(rev: str, *, keep: bool) -> Iterator[Path]:
    """A clone of this repository at `rev`, without dvc.lock and cache; gone when it is left.

    Also where the process is told to end. What a killed one left is removed by the next.
    Files beside the repository that params name by a relative path are reached from it too.
    keep: leave it, and say where. Raises InputError where such a file is not there.
    """
    _sweep()
    outside = _named(rev)
    above = max((path.parts.count("..") for path in outside), default=0)
    top = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")).resolve()
    folder = top.joinpath(*["up"] * above, "repository")
    before = {number: signal.signal(number, _leave) for number in _ENDS}
    try:
        git.output("clone", "--quiet", "--shared", "--no-checkout", ".", str(folder))
        git.output("-C", str(folder), "checkout", "--quiet", "--detach", rev)
        for path in outside:
            target = Path(os.path.normpath(folder / path))
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(path.absolute())
        for path in (
            experiments.LOCK,
            paths.SOURCE,
            paths.VALIDATION,
            paths.METRICS,
            paths.RELEASE,
        ):
            (folder / path).unlink(missing_ok=True)  # nothing of the record may be carried over
        (folder / ".dvc/config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
        yield folder
    finally:
        if keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            _remove(top)
        for number, handler in before.items():
            signal.signal(number, handler)


def build(folder: Path) -> None:
    """Run every stage up to evaluate there, its lines shown on stderr.

    register is not run, and no tracking store but one in the clone is written to. Raises
    InputError where a stage fails.
    """
    kept = {
        key: value for key, value in os.environ.items()
        if not key.startswith(("DVC_", "GIT_", "MLFLOW_"))
    }  # fmt: skip
    nothing = folder / ".dvc/tmp/nothing"  # no config of user or machine leads to another cache
    places = ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR")
    here = {"PYTHONUNBUFFERED": "1", **{name: str(nothing) for name in places}}
    experiments.dvc("repro", "evaluate", folder=folder, environment=kept | here)


def _named(rev: str) -> list[Path]:
    """Files outside git that params at `rev` name by a path relative to the root."""
    params = yaml.safe_load(git.file_at(rev, paths.PARAMS))
    fetch, train = params.get("fetch") or {}, params.get("train") or {}
    named = {"train.weights": train.get("weights")}
    if fetch.get("source") == "archive":
        named |= {"fetch.path": fetch.get("path"), "fetch.labels": fetch.get("labels")}
    if named["train.weights"] == "imagenet":
        del named["train.weights"]
    found = []
    for key, name in named.items():
        if not name:
            continue
        path = Path(str(name)).expanduser()
        if not path.exists():
            raise InputError(
                f"{paths.PARAMS} at {rev[:7]}: {key}: expected a file or folder, found none at "
                f"{path}; bring it there, the images of this commit can't be fetched without it"
            )
        if not path.is_absolute():
            found.append(Path(os.path.normpath(path)))
    return found


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _sweep() -> None:
    """Remove what processes that are no more have left."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = left.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdigit():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)
            except PermissionError:
                continue


def _remove(top: Path) -> None:
    for _ in range(50):  # a stage that is being killed may still write a file
        shutil.rmtree(top, ignore_errors=True)
        if not top.exists():
            return
        time.sleep(0.1)
