"""dvc.lock: what DVC recorded of each stage that ran."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import git, keys
from stages.engine.errors import InputError, NotFound
from stages.history.plan import PlannedStage
from stages.history.yaml_file import parse_mapping

PATH = Path("dvc.lock")
_SCHEMA = "2.0"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class StageRecord:
    """What DVC recorded of one stage.

    params: values by file and key, which is a section's or a dotted one. deps, outs: MD5 by path;
    that of a folder ends in ".dir" (see `dvc_md5`).
    """

    command: str
    params: Mapping[str, Mapping[str, Any]]
    deps: Mapping[str, str]
    outs: Mapping[str, str]


NOT_RUN = StageRecord("", {}, {}, {})
"""What stands for a stage that DVC recorded nothing of."""


@dataclass(frozen=True)
class LockFile:
    """The content of a dvc.lock. stages: by name."""

    stages: Mapping[str, StageRecord]

    @classmethod
    def read(cls, path: Path = PATH) -> "LockFile":
        """Read the file at `path`.

        Raises:
            NotFound: There is none.
            InputError: It is cut off or not DVC's.
        """
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            raise NotFound(f"{path}: no such file; `dvc repro` writes it") from None
        return cls.parse(text, path.name)

    @classmethod
    def at(cls, rev: str) -> "LockFile":
        """Read dvc.lock as git has it at the commit `rev`.

        Raises:
            NotFound: There is no such commit, or no dvc.lock in it.
            InputError: It is cut off or not DVC's.
        """
        try:
            text = git.file_at(rev, PATH)
        except InputError as error:
            raise NotFound(str(error)) from None
        return cls.parse(text, f"{PATH} at {rev[:7]}")

    @classmethod
    def parse(cls, text: str, name: str) -> "LockFile":
        """Parse the text of a dvc.lock; `name` stands for it in messages.

        Raises:
            InputError: It is cut off or not DVC's.
        """
        try:
            tree = parse_mapping(text, name)
            if tree.get("schema", _SCHEMA) != _SCHEMA:
                raise ValueError(f"schema {tree['schema']!r}")
            return cls({stage: _record(entry) for stage, entry in tree["stages"].items()})
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            problem = str(error) if isinstance(error, InputError) else f"{name}: {error!r}"
            raise InputError(
                f"{problem}; expected a whole lock file of DVC (schema {_SCHEMA}). If it was cut "
                f"off, restore it by `git checkout {PATH}` or delete it, then run `dvc repro`"
            ) from None

    def stage(self, name: str) -> StageRecord:
        """Return what is recorded of a stage; `NOT_RUN` where nothing is."""
        return self.stages.get(name, NOT_RUN)

    @property
    def outs(self) -> dict[str, str]:
        """MD5 of every stage's outs, by path."""
        return {path: md5 for stage in self.stages.values() for path, md5 in stage.outs.items()}

    def answers_for(self, stage: str, planned: PlannedStage, tree: Path) -> bool:
        """Whether `stage` was recorded as the code, params and files in `tree` would run it.

        Args:
            stage: The stage's name.
            planned: The stage in the dvc.yaml of `tree`.
            tree: A folder with the files of params and every dependency that is no out of a stage.
        """
        record = self.stages.get(stage)
        if record is None or record.command != planned.command:
            return False
        if record.deps.keys() != planned.deps or record.outs.keys() != planned.outs:
            return False
        made = self.outs
        if any(
            md5 != (made.get(path) or dvc_md5(tree / path)) for path, md5 in record.deps.items()
        ):
            return False
        if {file: values.keys() for file, values in record.params.items()} != planned.params:
            return False
        return all(_holds(tree / file, values) for file, values in record.params.items())


def dvc_md5(path: Path) -> str | None:
    """Return the MD5 by which DVC names a file or folder; None where there is neither.

    That of a folder is the MD5 of the JSON list of its files, sorted by path, and ".dir".
    """
    if path.is_file():
        return _md5(path.read_bytes())
    if not path.is_dir():
        return None
    files = sorted(
        found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()
    )
    entries = [{"md5": _md5((path / name).read_bytes()), "relpath": name} for name in files]
    return _md5(json.dumps(entries, sort_keys=True).encode()) + ".dir"


def _record(entry: Mapping[str, Any]) -> StageRecord:
    return StageRecord(
        command=str(entry["cmd"]),
        params={file: dict(values) for file, values in (entry.get("params") or {}).items()},
        deps=_md5_by_path(entry.get("deps", [])),
        outs=_md5_by_path(entry.get("outs", [])),
    )


def _md5_by_path(entries: list[dict[str, Any]]) -> dict[str, str]:
    found = {str(entry["path"]): str(entry["md5"]) for entry in entries}
    for path, md5 in found.items():
        if not _MD5.fullmatch(md5):
            raise ValueError(f"{path}: md5 {md5!r}")
    return found


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _holds(file: Path, values: Mapping[str, Any]) -> bool:
    """Whether a file of params has these values; one that is not there has none."""
    if not file.exists():
        return all(value is None for value in values.values())
    tree = parse_mapping(file.read_text(encoding="utf-8"), file.name)
    return all(value == keys.get(tree, key) for key, value in values.items())
