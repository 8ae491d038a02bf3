"""Move an alias and record it: when, from, to, by which command, who and why.

MLflow keeps no history of aliases. Each move is a run of its own in the experiment
`<model>-history` of the same store, created before the alias moves and ended afterwards. A process
that is killed in between leaves a run that has not ended; history.py finds out whether the alias
had moved.
"""

import datetime
import getpass
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine.errors import InputError
from stages.engine.printable import printable
from stages.registry.aliases import alias_version
from stages.registry.circumstances import NOT_RECORDED
from stages.registry.client import Client
from stages.registry.experiments import ensure_experiment, find_experiment
from stages.registry.runs import search_all_runs
from stages.registry.store import Store

NONE = "none"
PACKAGE_DIGEST = "package_digest"
"""Tag of a version and of the record of its move."""


@dataclass(frozen=True)
class Move:
    """One record.

    Attributes:
        id: The MLflow run.
        alias: The alias.
        before: Version before the move; None for none.
        to: Version after it; None for none.
        when: Start, ISO 8601.
        who: User and host.
        kind: "register", "promote", "rollback", or "repair" where a version was registered again.
        why: The reason.
        state: RUNNING (not ended), FINISHED (moved) or KILLED (given up).
        note: Why it was given up.
        package_digest: Digest of the package that was judged; None where none was recorded.
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
    package_digest: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """What a decision is based on: where the alias points, and the records that exist."""

    version: str | None
    moves: frozenset[str]


def read_moves(client: Client, name: str) -> list[Move]:
    """Return every record of the model `name`, oldest first."""
    experiment = find_experiment(client, history_name(name))
    if experiment is None:
        return []
    order = ["attributes.start_time ASC", "attributes.run_id ASC"]
    # A record that was deleted on MLflow's pages is still what happened.
    runs = search_all_runs(client, [experiment.experiment_id], order, with_deleted=True)
    return [
        move_of(run.info.run_id, run.info.start_time, run.info.status, run.data.tags)
        for run in runs
    ]


def recorded_package(moves: Iterable[Move], version: str) -> str | None:
    """Return the digest of a version's package as it was when an alias last moved to it.

    Args:
        moves: The records of its model, oldest first.
        version: Its number.
    """
    found = [
        move.package_digest
        for move in moves
        if move.to == version and move.package_digest and move.state != "KILLED"
    ]
    return found[-1] if found else None


def take_snapshot(client: Client, name: str, alias: str) -> Snapshot:
    """Return what `move_alias` compares with, read before a decision is made."""
    moves = frozenset(move.id for move in read_moves(client, name))
    return Snapshot(alias_version(client, name, alias), moves)


def move_alias(
    client: Client,
    store: Store,
    name: str,
    alias: str,
    to: str,
    *,
    kind: str,
    why: str,
    package_digest: str | None = None,
    snapshot: Snapshot | None = None,
    verdict: Mapping[str, Any] | None = None,
) -> str | None:
    """Point `alias` at version `to`, record it, and return the version before.

    Args:
        client: Client of `store`.
        store: The tracking store.
        name: Registered model.
        alias: Alias to move.
        to: Version that it is to point at.
        kind: As in Move.
        why: The reason.
        package_digest: Digest of the version's package, as it was checked for this move. Whoever
            loads the version compares its files with it.
        snapshot: What the decision was based on. If the alias or its records have changed since,
            nothing moves, and that is recorded. None: move in any case, and record nothing if the
            alias points at `to` already.
        verdict: Stored with the record as verdict.json.

    Raises:
        InputError: The alias or its records have changed since the snapshot.
    """
    before = alias_version(client, name, alias)
    if snapshot is None and before == to:
        return before
    tags = {"kind": kind, "why": printable(why)}
    if package_digest is not None:
        tags[PACKAGE_DIGEST] = package_digest
    record = _create_record(client, store, name, alias, before=before, to=to, tags=tags)
    if snapshot is not None:
        _check_unchanged(client, name, alias, snapshot, record, before)
    if verdict is not None:
        client.log_dict(record, dict(verdict), "verdict.json")
    client.set_registered_model_alias(name, alias, to)
    client.set_terminated(record, "FINISHED")
    return before


def _check_unchanged(
    client: Client, name: str, alias: str, snapshot: Snapshot, record: str, before: str | None
) -> None:
    others = [
        move
        for move in read_moves(client, name)
        if move.alias == alias and move.id not in snapshot.moves and move.id != record
    ]
    if not others and before == snapshot.version:
        return
    rival = others[-1].who if others else "someone outside this command"
    note = f"lost a race: {alias} was moved by {rival} while this move was decided"
    client.set_tag(record, "note", note)
    client.set_terminated(record, "KILLED")
    raise InputError(
        f"{name}: expected {alias} to stay at version {snapshot.version or NONE} during this "
        f"command, found another move (by {rival}); nothing was moved: see `pneumonia history` "
        "and try again"
    )


def _create_record(
    client: Client,
    store: Store,
    name: str,
    alias: str,
    *,
    before: str | None,
    to: str,
    tags: Mapping[str, str],
) -> str:
    """Record in one call that the alias is about to move, and return the record's id."""
    run = client.create_run(
        ensure_experiment(
            client,
            store,
            history_name(name),
            f"One record per move of an alias of {name}, written by `pneumonia`; do not edit.",
        ),
        run_name=f"{alias}: {before or NONE} to {to}",
        tags={
            "alias": alias,
            "from": before or NONE,
            "to": to,
            **tags,
            "who": printable(f"{getpass.getuser()} on {platform.node()}"),
        },
    )
    return str(run.info.run_id)


def history_name(name: str) -> str:
    """Return the name of the experiment that records the moves of the model `name`."""
    return f"{name}-history"


def move_of(record: str, start_ms: int, state: str, tags: Mapping[str, str]) -> Move:
    """Return the move that a run of the history records.

    Args:
        record: The run's id.
        start_ms: Its start, in milliseconds since 1970.
        state: Its status.
        tags: Its tags.
    """

    def version(key: str) -> str | None:
        value = tags.get(key, NONE)
        return None if value == NONE else value

    when = datetime.datetime.fromtimestamp(start_ms / 1000, datetime.UTC)
    return Move(
        id=record,
        alias=tags.get("alias", ""),
        before=version("from"),
        to=version("to"),
        when=when.isoformat(timespec="milliseconds"),
        who=tags.get("who", NOT_RECORDED),
        kind=tags.get("kind", ""),
        why=tags.get("why", ""),
        state=state,
        note=tags.get("note", ""),
        package_digest=tags.get(PACKAGE_DIGEST),
    )
