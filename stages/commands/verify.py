"""Does a commit give the same bytes again? The command `pneumonia verify`."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from stages.commands import releases
from stages.commands.listing import aligned
from stages.engine import git, installed
from stages.engine.devices import instruction_set
from stages.engine.errors import InputError, NotFound
from stages.engine.files import read_json
from stages.history import causes, lock_file, rebuild
from stages.history.lock_file import LockFile
from stages.history.moved_figures import MovedFigure, compare_figures
from stages.metrics.pages.text import format_interval
from stages.settings import paths
from stages.settings.digests import JUDGED

EQUAL, DIFFERENT, UNKNOWN = 0, 1, 2
_SHOWN = 8


@dataclasses.dataclass(frozen=True)
class Verified:
    """What a rebuild of the commit `rev` came to.

    compared: how many figures both have. figures: those that differ.
    """

    rev: str
    instruction_set: str
    outs: list[causes.Out]
    cause: causes.Cause | None
    compared: int
    figures: list[MovedFigure]

    @property
    def explained(self) -> bool:
        """Whether only another class of machine moved it, and no further than a seed would."""
        of_machine = self.cause is not None and self.cause.kind == "instruction set"
        return of_machine and all(figure.overlap for figure in self.figures if figure.headline)

    @property
    def status(self) -> int:
        return EQUAL if self.cause is None or self.explained else DIFFERENT


def show(arguments: argparse.Namespace) -> int:
    """Rebuild, compare, print; the exit status.

    0: equal, or moved by another instruction set, each headline's two intervals overlapping.
    1: different. 2: it can't be judged.
    """
    try:
        rev, tags = _commit(arguments)
        lock = _locked(rev)
        if git.output("status", "--porcelain").strip():
            print("there are uncommitted changes; what is verified is the commit", file=sys.stderr)
        with rebuild.temporary_clone(rev, keep=arguments.keep) as folder:
            rebuild.rebuild(folder)
            verified = compare(rev, lock, folder, tags)
    except InputError as error:
        print(f"error: can't be judged: {error}", file=sys.stderr)
        return UNKNOWN
    print(_json(verified) if arguments.json else _text(verified))
    return verified.status


def _commit(arguments: argparse.Namespace) -> tuple[str, dict[str, str]]:
    """The commit to verify, and the tags of the version that led to it."""
    if arguments.version is None:
        rev = git.output("rev-parse", "--verify", f"{arguments.rev}^{{commit}}").strip()
        return rev, {}
    tags = releases.tags(arguments)
    # A run is made before its dvc.lock is committed: the commit that holds it is a later one than
    # the tag names, with the same code.
    release = paths.RELEASE.as_posix()
    first = [tags["git_commit"]] if len(tags.get("git_commit", "")) == 40 else []
    later = git.output("log", "--all", "--format=%H", "--", release).split()
    for rev in [*first, *later]:
        try:
            told = json.loads(git.file_at(rev, paths.RELEASE))
        except (InputError, ValueError):
            continue
        if all(told.get(key) == tags.get(key) for key in ("run_digest", "model_digest")):
            return rev, tags
    raise InputError(
        f"version {arguments.version}: expected a commit whose {release} names its run "
        f"{tags.get('run_digest', '')[:12]} and model {tags.get('model_digest', '')[:12]}, found "
        "none; commit the run that made it, or fetch the branch that has it"
    )


def _locked(rev: str) -> LockFile:
    """The dvc.lock at `rev`; InputError where a judged stage is not there."""
    try:
        lock = LockFile.at(rev)
    except NotFound:
        lock = LockFile({})
    missing = [name for name in JUDGED if name not in lock.stages]
    if missing:
        raise InputError(
            f"dvc.lock at {rev[:7]}: expected a record of {', '.join(JUDGED)}, found none of "
            f"{', '.join(missing)}; run `dvc repro` and commit dvc.lock"
        )
    return lock


def compare(rev: str, lock: LockFile, folder: Path, tags: Mapping[str, str]) -> Verified:
    """The record `lock` of the commit `rev` beside what was built in `folder`.

    tags: of the version that led there, if one did.
    """
    now = LockFile.read(folder / lock_file.PATH)
    pins = (folder / paths.LOCK).read_text(encoding="utf-8")
    here = causes.Machine(
        instruction_set(), _recorded_class(rev), installed.mismatched_pins(pins),
        str(yaml.safe_load((folder / paths.PARAMS).read_text("utf-8"))["fetch"]["source"]),
    )  # fmt: skip
    rebuilt = read_json(folder / paths.VALIDATION) | read_json(folder / paths.METRICS)
    recorded: dict[str, Any] = {}
    for path in (paths.VALIDATION, paths.METRICS):
        recorded |= json.loads(git.file_at(rev, path))
    data = read_json(folder / paths.SHARDS / "manifest.json")["digest"]
    if tags and tags["data_digest"] != data:
        print(
            f"the version's data digest is {tags['data_digest']}, rebuilt {data}", file=sys.stderr
        )
    compared, figures = compare_figures(recorded, rebuilt)
    cause = causes.first_cause(lock, now, here)
    outs = causes.compare_outs(lock, now)
    return Verified(rev, here.instruction_set, outs, cause, compared, figures)


def _recorded_class(rev: str) -> str | None:
    """The instruction set that trained the record, where the commit's release tells."""
    try:
        told = json.loads(git.file_at(rev, paths.RELEASE))
    except (InputError, ValueError):
        return None
    found: str | None = told.get("instruction_set")
    return found


def _text(verified: Verified) -> str:
    rows = [
        (out.stage, out.path, _short(out.recorded), _short(out.rebuilt),
         "equal" if out.equal else "DIFFERENT")
        for out in verified.outs
    ]  # fmt: skip
    lines = [
        f"{verified.rev[:7]}, rebuilt from nothing by {verified.instruction_set}",
        aligned([("stage", "out", "recorded", "rebuilt", ""), *rows]),
        "",
    ]
    if verified.cause is None:
        lines.append(f"equal to the byte: {len(rows)} outs of {len(JUDGED)} stages")
        return "\n".join(lines)
    lines.append(f"different from {verified.cause.stage} on; {verified.cause}")
    lines += _figures(verified)
    if verified.explained:
        lines.append("explained by the instruction set: no failure")
    return "\n".join(lines)


def _figures(verified: Verified) -> list[str]:
    said = [f"figures that differ: {len(verified.figures)} of {verified.compared}"]
    found = sorted(verified.figures, key=lambda one: -abs(one.difference))
    headlines = [figure for figure in found if figure.headline]
    others = [figure for figure in found if not figure.headline]
    if headlines:
        apart = sum(not figure.overlap for figure in headlines)
        said += [f"headline figures, {apart} with intervals apart:", _moves(headlines)]
    if others:
        said += [f"of the {len(others)} others, the furthest:", _moves(others[:_SHOWN])]
    return said


def _moves(figures: Sequence[MovedFigure]) -> str:
    rows = [
        (one.name, format_interval(*one.recorded, decimals=4),
         format_interval(*one.rebuilt, decimals=4),
         f"{one.difference:+.4f}" + ("" if one.overlap else " apart"))
        for one in figures
    ]  # fmt: skip
    return aligned([("figure", "recorded (interval)", "rebuilt (interval)", "difference"), *rows])


def _json(verified: Verified) -> str:
    found = dataclasses.asdict(verified)
    found["outs"] = [{**dataclasses.asdict(out), "equal": out.equal} for out in verified.outs]
    return json.dumps({**found, "status": verified.status}, indent=2)


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "none"
