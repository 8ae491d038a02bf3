"""dvc.lock: what DVC recorded of each stage that ran."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import git, keys
from stages.engine.errors import InputError, NotFound
from stages.history.plan import PlannedStage
from stages.history.yaml_file import parse_mapping
from stages.settings import paths

PATH = Path("dvc.lock")
_SCHEMA = "2.0"
_new_md5 = functools.partial(hashlib.md5, usedforsecurity=False)
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


@dataclass(frozen=True)
class Mismatch:
    """What of a stage is not as it was recorded: `key` was `recorded` in `file` and is `found`."""

    stage: str
    key: str
    recorded: str
    found: str
    file: str = PATH.as_posix()

    def __str__(self) -> str:
        return f"{self.stage}: {self.key} is {self.recorded} in {self.file}, {self.found} here"


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
        """Whether `stage` was recorded as the code, params and files in `tree` would run it."""
        return not any(self.mismatches(stage, planned, tree))

    def mismatches(
        self,
        stage: str,
        planned: PlannedStage,
        tree: Path,
        digest: Callable[[Path], str | None] | None = None,
    ) -> Iterator[Mismatch]:
        """Yield what the code, params and files in `tree` would run `stage` with otherwise.

        Args:
            stage: The stage's name.
            planned: The stage in the dvc.yaml of `tree`.
            tree: A folder with the files of params and every dependency that is no out of a stage.
            digest: Returns the MD5 of a dependency; default: `dvc_md5`.
        """
        record = self.stages.get(stage)
        if record is None:
            yield Mismatch(stage, "the stage", "nothing", "a stage of dvc.yaml")
            return
        if record.command != planned.command:
            yield Mismatch(stage, "its command", repr(record.command), repr(planned.command))
        for kind, recorded, wanted in (
            ("dependency", record.deps.keys(), planned.deps),
            ("out", record.outs.keys(), planned.outs),
        ):
            for path in sorted(recorded ^ wanted):
                here, there = ("listed", "not listed")[:: 1 if path in recorded else -1]
                yield Mismatch(
                    stage, f"{path}, as {'an' if kind == 'out' else 'a'} {kind}", here, there
                )
        yield from self._params(stage, record, planned, tree)
        made = self.outs
        for path, md5 in record.deps.items():
            found = made.get(path) or (digest or dvc_md5)(tree / path)
            if md5 != found:
                yield Mismatch(stage, path, _name(md5), _name(found))

    def changed_outs(
        self, stage: str, tree: Path, md5: Callable[[Path], str | None]
    ) -> Iterator[Mismatch]:
        """Yield the outs of `stage` that are not those in `tree`.

        Args:
            stage: The stage's name.
            tree: A folder with the outs.
            md5: As `dvc_md5`.
        """
        for path, recorded in self.stage(stage).outs.items():
            found = md5(tree / path)
            if recorded != found:
                yield Mismatch(stage, path, _name(recorded), _name(found))

    @staticmethod
    def _params(
        stage: str, record: StageRecord, planned: PlannedStage, tree: Path
    ) -> Iterator[Mismatch]:
        for file in sorted(record.params.keys() | planned.params.keys()):
            recorded, wanted = record.params.get(file, {}), planned.params.get(file, frozenset())
            prefix = "" if file == paths.PARAMS.as_posix() else f"{file}: "
            for key in sorted(recorded.keys() ^ wanted):
                here, there = ("listed", "not listed")[:: 1 if key in recorded else -1]
                yield Mismatch(stage, f"{prefix}{key}, as a param", here, there)
            content = _content(tree / file)
            found = {key: keys.get(content, key) for key in recorded}
            for key, (was, is_) in keys.differences(recorded, found).items():
                yield Mismatch(
                    stage,
                    f"{prefix}{key}",
                    json.dumps(was, default=str),
                    json.dumps(is_, default=str),
                )


def file_md5(path: Path) -> str:
    """Return the MD5 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, _new_md5).hexdigest()


def dvc_md5(path: Path, of_file: Callable[[Path], str] = file_md5) -> str | None:
    """Return the MD5 by which DVC names a file or folder; None where there is neither.

    That of a folder is the MD5 of the JSON list of its files, sorted by path, and ".dir".

    Args:
        path: The file or folder.
        of_file: Returns the MD5 of one file, such as a memory of them.
    """
    if path.is_file():
        return of_file(path)
    if not path.is_dir():
        return None
    files = sorted(
        found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()
    )
    entries = [{"md5": of_file(path / name), "relpath": name} for name in files]
    return _new_md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


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


def _content(file: Path) -> Mapping[str, Any]:
    """The content of a file of params; one that is not there has no value."""
    if not file.exists():
        return {}
    return parse_mapping(file.read_text(encoding="utf-8"), file.name)


def _name(md5: str | None) -> str:
    return "nothing" if md5 is None else md5[:12]
