"""Who moved which alias, from where to where, when and why: one record per move.

MLflow keeps no history of aliases. Each move is a run of its own in the experiment
`<model>-history` of the same store: begun as the intent, before the alias moves, and ended once
it has moved. A mover that was killed half-way leaves an intent without an end, of which the
alias itself and the record after it tell whether it took effect; an alias that is not where
the records left it was moved by other hands.
"""

import contextlib
import datetime
import fcntl
import getpass
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import digest
from stages.registry.aliases import alias_of
from stages.registry.store import Store

OUTSIDE = "made outside the gate"
NONE = "none"


@dataclass(frozen=True)
class Move:
    """One record. before, to: versions, None for no version. kind: register, promote, rollback.

    state: RUNNING (intended), FINISHED (moved) or KILLED (given up, for the reason in `note`).
    """

    id: str
    alias: str
    before: str | None
    to: str | None
    when: str
    who: str
    kind: str
    why: str
    state: str
    note: str


@dataclass(frozen=True)
class Line:
    """One line of the history; outcome: "made", OUTSIDE, or what became of it instead."""

    when: str
    alias: str
    before: str | None
    to: str | None
    who: str
    kind: str
    why: str
    outcome: str


def read(client: Any, name: str) -> list[Move]:
    """Every record of the model `name`, oldest first."""
    experiment = client.get_experiment_by_name(_experiment_name(name))
    if experiment is None:
        return []
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment.experiment_id], max_results=1000, page_token=token,
            order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
        )  # fmt: skip
        runs += page
        token = page.token
        if not token:
            return [_move(run) for run in runs]


def move(
    client: Any, store: Store, name: str, alias: str, to: str, *,
    kind: str, why: str, seen: "Seen | None" = None, verdict: Mapping[str, Any] | None = None,
) -> str | None:  # fmt: skip
    """Have `alias` point at version `to`, on record; the version that it pointed at before.

    seen: what the decision was taken on. Where the alias, or its history, has gone on since, this
    move is given up, on record too, with an InputError. verdict: kept with the record.
    """
    before = alias_of(client, name, alias)
    if seen is None and before == to:
        return before
    record = _begin(client, store, name, alias, before=before, to=to, kind=kind, why=why)
    if seen is not None:
        others = [
            other for other in read(client, name)
            if other.alias == alias and other.id not in seen.moves and other.id != record
        ]  # fmt: skip
        if others or before != seen.version:
            rival = others[-1].who if others else "other hands"
            note = f"lost a race: {alias} was moved by {rival} while this move was decided"
            client.set_tag(record, "note", note)
            client.set_terminated(record, "KILLED")
            raise InputError(
                f"{name}: expected {alias} at version {seen.version or NONE} until the end, found "
                f"another move ({rival}); nothing was moved here: look at `pneumonia history` "
                "and try again"
            )
    if verdict is not None:
        client.log_dict(record, dict(verdict), "verdict.json")
    client.set_registered_model_alias(name, alias, to)
    client.set_terminated(record, "FINISHED")
    return before


@dataclass(frozen=True)
class Seen:
    """The state that a decision is taken on: where the alias points, and the records so far."""

    version: str | None
    moves: frozenset[str]


def look(client: Any, name: str, alias: str) -> Seen:
    """What `move` compares with, read before deciding."""
    moves = frozenset(move.id for move in read(client, name))
    return Seen(alias_of(client, name, alias), moves)


@contextlib.contextmanager
def one_mover(store: Store, name: str) -> Iterator[None]:
    """Refuse to decide on `name` while another process of this host does.

    Raises InputError at once. The system lets go of the lock however the process ends.
    """
    if store.folder is None:  # of any repository on this host that uses the server
        key = digest({"store": store.uri, "user": os.getuid()})[:16]
        place = Path(tempfile.gettempdir()) / f"pneumonia-{key}.lock"
    else:
        store.folder.mkdir(parents=True, exist_ok=True)
        place = store.folder / ".promotion.lock"
    with place.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{name}: expected to be alone, found another promotion or rollback under way on "
                "this host; try again when it has ended"
            ) from None
        yield


def replay(moves: Sequence[Move], now: str | None) -> tuple[list[Line], list[str]]:
    """The lines of one alias, and the versions it went through as a stack, the present one last.

    moves: its records, oldest first. now: where it points. A rollback takes the stack back to
    the version that it returned to; any other move puts a version on top.
    """
    lines: list[Line] = []
    stack: list[str] = []
    top: str | None = None

    def arrive(version: str | None, kind: str) -> None:
        if version is None:
            stack.clear()
        elif kind == "rollback" and version in stack:
            while stack[-1] != version:
                stack.pop()
        elif not stack or stack[-1] != version:
            stack.append(version)

    for number, move in enumerate(moves):
        if move.state == "KILLED":  # gave up; its `before` may be past already
            lines.append(_line(move, move.note or "given up"))
            continue
        if move.before != top:
            lines.append(_outside(move, f"before {move.when}", top, move.before))
            arrive(move.before, "")
            top = move.before
        later = [other.before for other in moves[number + 1 :] if other.state != "KILLED"]
        moved = move.state == "FINISHED" or (later[0] if later else now) == move.to
        broken_off = f"broken off {'after' if moved else 'before'} the alias moved"
        lines.append(_line(move, "made" if move.state == "FINISHED" else broken_off))
        if moved:
            arrive(move.to, move.kind)
            top = move.to
    if now != top:
        alias = moves[-1].alias if moves else ""
        lines.append(Line("not recorded", alias, top, now, "not recorded", "", "", OUTSIDE))
        arrive(now, "")
    return lines, stack


def lines(client: Any, name: str) -> list[Line]:
    """The whole history of the model `name`, in the order of the records."""
    moves = read(client, name)
    pointed = aliases_of(client, name)
    found: list[Line] = []
    for alias in sorted({move.alias for move in moves} | set(pointed)):
        of_alias = [move for move in moves if move.alias == alias]
        found += [
            line if line.alias else Line(**{**vars(line), "alias": alias})
            for line in replay(of_alias, pointed.get(alias))[0]
        ]
    # What was found without a time stands where it was noticed: before the next record, or last.
    return sorted(found, key=lambda line: line.when.removeprefix("before "))


def aliases_of(client: Any, name: str) -> dict[str, str]:
    """Versions by alias; empty where there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    return {alias: str(version) for alias, version in model.aliases.items()}


def _line(move: Move, outcome: str) -> Line:
    return Line(
        move.when, move.alias, move.before, move.to, move.who, move.kind, move.why, outcome
    )  # fmt: skip


def _outside(move: Move, when: str, before: str | None, to: str | None) -> Line:
    return Line(when, move.alias, before, to, "not recorded", "", "", OUTSIDE)


def _experiment_name(name: str) -> str:
    return f"{name}-history"


def _begin(
    client: Any, store: Store, name: str, alias: str, *,
    before: str | None, to: str, kind: str, why: str,
) -> str:  # fmt: skip
    """Write the intent, in one call; the record's id."""
    from mlflow.exceptions import MlflowException

    title = _experiment_name(name)
    found = client.get_experiment_by_name(title)
    if found is None:
        note = f"One record per move of an alias of {name}, kept by `pneumonia`. Not for editing."
        place = None if store.artifacts is None else f"{store.artifacts}/{title}"
        with contextlib.suppress(MlflowException):  # another process was faster
            client.create_experiment(
                title, artifact_location=place, tags={"mlflow.note.content": note}
            )
        found = client.get_experiment_by_name(title)
    run = client.create_run(
        found.experiment_id,
        run_name=f"{alias}: {before or NONE} to {to}",
        tags={
            "alias": alias, "from": before or NONE, "to": to, "kind": kind, "why": why,
            "who": f"{getpass.getuser()} on {platform.node()}",
        },
    )  # fmt: skip
    return str(run.info.run_id)


def _move(run: Any) -> Move:
    tags = run.data.tags

    def version(key: str) -> str | None:
        value = tags.get(key, NONE)
        return None if value == NONE else str(value)

    when = datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC)
    return Move(
        id=str(run.info.run_id), alias=tags.get("alias", ""), before=version("from"),
        to=version("to"), when=when.isoformat(timespec="milliseconds"),
        who=tags.get("who", "not recorded"), kind=tags.get("kind", ""), why=tags.get("why", ""),
        state=str(run.info.status), note=tags.get("note", ""),
    )  # fmt: skip
