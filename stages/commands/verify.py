"""`pneumonia verify`: does a commit give the same bytes again?"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages.commands.parameters import AsJson, Source
from stages.commands.tables import print_table
from stages.engine import git
from stages.engine.console import print_json, print_note, print_text
from stages.engine.errors import InputError, NotFound
from stages.engine.files import read_json
from stages.metrics.pages.text import format_interval
from stages.settings import paths

if TYPE_CHECKING:
    from stages.history.causes import Cause, Out
    from stages.history.lock_file import LockFile
    from stages.history.moved_figures import MovedFigure
    from stages.settings.params import Params

EQUAL, DIFFERENT, UNKNOWN = 0, 1, 2
_OTHERS = 8
"""How many figures that are no headlines are printed."""


@dataclasses.dataclass(frozen=True)
class Verified:
    """The result of rebuilding the commit `rev`.

    instruction_set: that of this machine. cause: why the first stage that differs does so; None
    where all outs are equal. compared: how many figures both builds have. figures: those that
    differ.
    """

    rev: str
    instruction_set: str
    outs: "list[Out]"
    cause: "Cause | None"
    compared: int
    figures: "list[MovedFigure]"

    @property
    def explained(self) -> bool:
        """Whether another instruction set explains all differences.

        It explains no headline figure that moves out of its interval, which another seed would
        not move so far either.
        """
        by_machine = self.cause is not None and self.cause.kind == "instruction set"
        return by_machine and all(figure.overlap for figure in self.figures if figure.headline)

    @property
    def status(self) -> int:
        """The exit status of the command."""
        return EQUAL if self.cause is None or self.explained else DIFFERENT


def verify(
    params: "Params",
    rev: Annotated[str, typer.Argument(metavar="COMMIT", help="A commit, tag or branch.")] = "HEAD",
    version: Annotated[
        str | None, typer.Option(metavar="N", help="The commit of this registered version.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the rebuilt clone in place.")] = False,
    source: Source = None,
    as_json: AsJson = False,
) -> int:
    """Rebuild a commit from nothing and compare it with its record.

    Exit status 0: equal, or moved by another instruction set alone, with the
    intervals of each headline figure overlapping.
    1: different.
    2: it cannot be judged.
    """
    from stages.history import rebuild

    try:
        commit, tags = _commit_and_tags(params, rev, version, source)
        lock = _recorded(commit)
        if git.output("status", "--porcelain").strip():
            print_note("there are uncommitted changes; the commit is what is verified")
        with rebuild.temporary_clone(commit, keep=keep) as folder:
            _name_mismatches(lock, folder, commit)
            rebuild.rebuild(folder)
            verified = compare(commit, lock, folder, tags)
    except InputError as error:
        print_note(f"error: can't be judged: {error}")
        return UNKNOWN
    if as_json:
        print_json(_json(verified))
    else:
        _print(verified)
    return verified.status


def compare(rev: str, lock: "LockFile", folder: Path, tags: Mapping[str, str]) -> Verified:
    """Compare the record of a commit with a rebuild of it.

    Args:
        rev: The commit.
        lock: Its dvc.lock.
        folder: Where it was rebuilt.
        tags: Those of the registered version that led to the commit; else empty.
    """
    from stages.engine import installed
    from stages.engine.devices import instruction_set
    from stages.history import causes, lock_file
    from stages.history.lock_file import LockFile
    from stages.history.moved_figures import compare_figures
    from stages.history.yaml_file import parse_mapping

    rebuilt_lock = LockFile.read(folder / lock_file.PATH)
    params = parse_mapping((folder / paths.PARAMS).read_text("utf-8"), paths.PARAMS.name)
    machine = causes.Machine(
        instruction_set=instruction_set(),
        recorded=_recorded_instruction_set(rev),
        packages=installed.mismatched_pins((folder / paths.LOCK).read_text(encoding="utf-8")),
        sources=_source_kinds(params["fetch"]),
    )
    rebuilt = read_json(folder / paths.VALIDATION) | read_json(folder / paths.METRICS)
    recorded: dict[str, Any] = {}
    for path in (paths.VALIDATION, paths.METRICS):
        recorded |= json.loads(git.file_at(rev, path))
    data = read_json(folder / paths.SHARDS / "manifest.json")["digest"]
    if tags and tags["data_digest"] != data:
        print_note(f"the version's data digest is {tags['data_digest']}, rebuilt {data}")
    compared, figures = compare_figures(recorded, rebuilt)
    cause = causes.first_cause(lock, rebuilt_lock, machine)
    outs = causes.compare_outs(lock, rebuilt_lock)
    return Verified(rev, machine.instruction_set, outs, cause, compared, figures)


def _source_kinds(fetch: Mapping[str, Any]) -> list[str]:
    """The kinds of the sources in the section `fetch` of a commit, in either of its forms."""
    listed = fetch.get("sources") or [{"kind": fetch["source"]}]
    return list(dict.fromkeys(str(source["kind"]) for source in listed))


def _commit_and_tags(
    params: "Params", rev: str, version: str | None, source: str | None
) -> tuple[str, dict[str, str]]:
    """The commit to verify, and the tags of the version that leads to it, if one does."""
    if version is None:
        return git.output("rev-parse", "--verify", f"{rev}^{{commit}}").strip(), {}
    tags = _version_tags(params, version, source)
    # A run ends before its dvc.lock is committed: the commit that holds it is a later one than
    # the tag names, with the same code.
    release = paths.RELEASE.as_posix()
    first = [tags["git_commit"]] if len(tags.get("git_commit", "")) == 40 else []
    later = git.output("log", "--all", "--format=%H", "--", release).split()
    for commit in [*first, *later]:
        committed = _release_at(commit)
        if committed and all(
            committed.get(key) == tags.get(key) for key in ("run_digest", "model_digest")
        ):
            return commit, tags
    raise InputError(
        f"version {version}: expected a commit whose {release} names its run "
        f"{tags.get('run_digest', '')[:12]} and model {tags.get('model_digest', '')[:12]}, found "
        "none; commit the run that made it, or fetch the branch that has it"
    )


def _version_tags(params: "Params", version: str, source: str | None) -> dict[str, str]:
    from stages.commands.tracking_store import open_tracking_store, registered_name
    from stages.registry.versions import get_version

    name = registered_name(params, source)
    client, _ = open_tracking_store()
    return dict(get_version(client, name, version).tags)


def _recorded(rev: str) -> "LockFile":
    """The dvc.lock at `rev`; InputError where it does not record every stage up to evaluate."""
    from stages.history.lock_file import LockFile
    from stages.settings.digests import JUDGED

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


def _name_mismatches(lock: "LockFile", tree: Path, rev: str) -> None:
    """Print what a commit's dvc.lock records otherwise than its files have it, before the rebuild.

    The rebuild then proves what follows from it. Roles that a promotion has frozen since then are
    not named, because they give the same shards.
    """
    from stages.history import chain

    found = chain.without_roles(chain.mismatches(lock, tree))
    if found:
        print_note(chain.refusal(found, f"dvc.lock at {rev[:7]}"))


def _release_at(rev: str) -> dict[str, Any] | None:
    """The content of release.json at `rev`; None where there is none that can be read."""
    try:
        release = json.loads(git.file_at(rev, paths.RELEASE))
    except (InputError, ValueError):
        return None
    return release if isinstance(release, dict) else None


def _recorded_instruction_set(rev: str) -> str | None:
    return (_release_at(rev) or {}).get("instruction_set")


def _print(verified: Verified) -> None:
    print_text(f"{verified.rev[:7]}, rebuilt from nothing by {verified.instruction_set}")
    rows = [
        (
            out.stage,
            out.path,
            _short(out.recorded),
            _short(out.rebuilt),
            "equal" if out.equal else "DIFFERENT",
        )
        for out in verified.outs
    ]
    print_table(("stage", "out", "recorded", "rebuilt", ""), rows)
    print_text()
    if verified.cause is None:
        stages = len({out.stage for out in verified.outs})
        print_text(f"equal to the byte: {len(rows)} outs of {stages} stages")
        return
    print_text(f"different from {verified.cause.stage} on; {verified.cause}")
    _print_figures(verified)
    if verified.explained:
        print_text("explained by the instruction set: no failure")


def _print_figures(verified: Verified) -> None:
    print_text(f"figures that differ: {len(verified.figures)} of {verified.compared}")
    figures = sorted(verified.figures, key=lambda figure: -abs(figure.difference))
    headlines = [figure for figure in figures if figure.headline]
    others = [figure for figure in figures if not figure.headline]
    if headlines:
        apart = sum(not figure.overlap for figure in headlines)
        print_text(f"headline figures, {apart} with intervals apart:")
        _print_moves(headlines)
    if others:
        print_text(f"of the {len(others)} others, those that moved most:")
        _print_moves(others[:_OTHERS])


def _print_moves(figures: "Iterable[MovedFigure]") -> None:
    rows: list[Sequence[str]] = [
        (
            figure.name,
            format_interval(*figure.recorded, decimals=4),
            format_interval(*figure.rebuilt, decimals=4),
            f"{figure.difference:+.4f}" + ("" if figure.overlap else " apart"),
        )
        for figure in figures
    ]
    print_table(("figure", "recorded (interval)", "rebuilt (interval)", "difference"), rows)


def _json(verified: Verified) -> dict[str, Any]:
    content = dataclasses.asdict(verified)
    content["outs"] = [{**dataclasses.asdict(out), "equal": out.equal} for out in verified.outs]
    return {**content, "status": verified.status}


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "none"
