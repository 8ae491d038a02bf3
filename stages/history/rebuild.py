"""Rebuild a commit's pipeline in a temporary clone whose DVC cache is empty."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from stages.engine import git
from stages.engine.console import print_note
from stages.engine.errors import NotFound
from stages.history import dvc, lock_file
from stages.history.yaml_file import parse_mapping
from stages.network.options import split_pin
from stages.settings import paths

_PREFIX = "pneumonia-verify-"
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_RECORD = (lock_file.PATH, paths.SOURCE, paths.VALIDATION, paths.METRICS, paths.RELEASE)
_OTHER_CACHES = ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR")


@contextlib.contextmanager
def temporary_clone(rev: str, *, keep: bool) -> Iterator[Path]:
    """Clone this repository at `rev`, without the record of its run and without a DVC cache.

    The clone is removed on exit, also after SIGTERM or SIGHUP; one that a killed process left is
    removed by the next. Files beside the repository that params name by a relative path can be
    reached from the clone.

    Args:
        rev: A commit.
        keep: Leave the clone in place and print where it is.

    Raises:
        NotFound: A file outside the repository that params name is not there.
    """
    _remove_leftovers()
    outside = _outside_files(rev)
    levels = max((path.parts.count("..") for path in outside), default=0)
    top = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")).resolve()
    folder = top.joinpath(*["up"] * levels, "repository")
    handlers = {number: signal.signal(number, _exit) for number in _SIGNALS}
    try:
        git.output("clone", "--quiet", "--shared", "--no-checkout", ".", str(folder))
        git.output("-C", str(folder), "checkout", "--quiet", "--detach", rev)
        for path in outside:
            target = Path(os.path.normpath(folder / path))
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(path.absolute())
        for path in _RECORD:
            (folder / path).unlink(missing_ok=True)
        (folder / ".dvc/config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
        yield folder
    finally:
        if keep:
            print_note(f"kept: {folder}")
        else:
            _remove(top)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def rebuild(folder: Path) -> None:
    """Run every stage up to evaluate in `folder`, with what they print on stderr.

    register does not run, and nothing is written to a tracking store outside the clone.

    Raises:
        InputError: A stage fails.
    """
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("DVC_", "GIT_", "MLFLOW_"))
    }
    nothing = str(folder / ".dvc/tmp/nothing")  # no config of user or machine names another cache
    environment = {**inherited, "PYTHONUNBUFFERED": "1", **dict.fromkeys(_OTHER_CACHES, nothing)}
    dvc.run("repro", "evaluate", folder=folder, environment=environment)


def _outside_files(rev: str) -> list[Path]:
    """Files outside git that params at `rev` name by a path relative to the root."""
    params = parse_mapping(git.file_at(rev, paths.PARAMS), f"{paths.PARAMS} at {rev[:7]}")
    fetch, train = params.get("fetch") or {}, params.get("train") or {}
    named: dict[str, str | None] = {"train.weights": split_pin(str(train.get("weights") or ""))[0]}
    named["fetch.same_patients"] = fetch.get("same_patients")
    sources = {"fetch": fetch} if fetch.get("source") == "archive" else {}
    for number, source in enumerate(fetch.get("sources") or ()):
        sources[f"fetch.sources[{number}]"] = source
    for place, source in sources.items():
        for key in ("path", "labels"):
            named[f"{place}.{key}"] = source.get(key)
        if isinstance(source.get("hash_names"), str):
            named[f"{place}.hash_names"] = source["hash_names"]
    if named["train.weights"] == "imagenet":
        del named["train.weights"]
    found = []
    for key, name in named.items():
        if not name:
            continue
        path = Path(str(name)).expanduser()
        if not path.exists():
            raise NotFound(
                f"{paths.PARAMS} at {rev[:7]}: {key}: expected a file or folder, found none at "
                f"{path}; copy it there, this commit's images or weights come from it"
            )
        if not path.is_absolute():
            found.append(Path(os.path.normpath(path)))
    return found


def _exit(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _remove_leftovers() -> None:
    """Remove the clones of this user's processes that have ended."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = leftover.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(FileNotFoundError):  # removed by another process
            if leftover.lstat().st_uid != os.geteuid():
                continue  # anybody can give a folder this name
        if number.isdigit():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                shutil.rmtree(leftover, ignore_errors=True)
            except PermissionError:
                continue


def _remove(top: Path) -> None:
    for _ in range(50):  # a stage that is being killed may still write a file
        shutil.rmtree(top, ignore_errors=True)
        if not top.exists():
            return
        time.sleep(0.1)
