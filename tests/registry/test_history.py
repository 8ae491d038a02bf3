"""The record of alias moves, and the history after races, kills and changes on MLflow's pages."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.registry.aliases import alias_versions
from stages.registry.client import Client
from stages.registry.history import DONE, OUTSIDE, alias_history, replay
from stages.registry.moves import Move, move_alias, read_moves, take_snapshot
from stages.registry.promotion_lock import promotion_lock
from stages.registry.store import Store

NAME = "pneumonia-phantom"
BEFORE, AFTER = (f"interrupted {when} the alias moved" for when in ("before", "after"))


def moved(
    before: str | None,
    to: str,
    *,
    kind: str = "promote",
    state: str = "FINISHED",
    note: str = "",
) -> Move:
    return Move("id", "champion", before, to, "then", "me", kind, "why", state, note)


FIRST, SECOND = moved(None, "1"), moved("1", "2")
HISTORIES = {
    "no move": ([], None, [], []),
    "two moves": ([FIRST, SECOND], "2", [DONE, DONE], ["1", "2"]),
    # The alias, or the record that follows, shows whether an interrupted move took effect.
    "killed before the alias moved": (
        [FIRST, moved("1", "2", state="RUNNING")],
        "1",
        [DONE, BEFORE],
        ["1"],
    ),
    "killed after the alias moved": (
        [FIRST, moved("1", "2", state="RUNNING")],
        "2",
        [DONE, AFTER],
        ["1", "2"],
    ),
    "killed after, then another move": (
        [moved(None, "1", state="RUNNING"), SECOND],
        "2",
        [AFTER, DONE],
        ["1", "2"],
    ),
    "killed before, then another move": (
        [moved(None, "1", state="RUNNING"), moved(None, "2")],
        "2",
        [BEFORE, DONE],
        ["2"],
    ),
    "moved outside the gate at the end": ([FIRST], "3", [DONE, OUTSIDE], ["1", "3"]),
    "removed outside the gate": ([FIRST], None, [DONE, OUTSIDE], []),
    "moved outside the gate in between": (
        [FIRST, moved("3", "4")],
        "4",
        [DONE, OUTSIDE, DONE],
        ["1", "3", "4"],
    ),
    "moved outside the gate at first": ([moved("7", "8")], "8", [OUTSIDE, DONE], ["7", "8"]),
    "a lost race moves nothing": (
        [FIRST, SECOND, moved("1", "3", state="KILLED", note="lost")],
        "2",
        [DONE, DONE, "lost"],
        ["1", "2"],
    ),
    "a rollback": (
        [FIRST, SECOND, moved("2", "3"), moved("3", "2", kind="rollback")],
        "2",
        [DONE] * 4,
        ["1", "2"],
    ),
    "a move after a rollback": (
        [FIRST, SECOND, moved("2", "1", kind="rollback"), moved("1", "3")],
        "3",
        [DONE] * 4,
        ["1", "3"],
    ),
}


@pytest.mark.parametrize(
    ("moves", "present", "outcomes", "stack"), HISTORIES.values(), ids=HISTORIES
)
def test_records_and_alias_give_the_history(
    moves: list[Move], present: str | None, outcomes: list[str], stack: list[str]
) -> None:
    lines, versions = replay(moves, present)
    # The `before` of a lost race is out of date, so no move outside the gate is inferred from it.
    assert [line.outcome for line in lines] == outcomes
    assert versions == stack


@pytest.fixture
def registry(client: Client, tmp_path: Path) -> Client:
    """A client whose registry has three versions of NAME."""
    client.create_registered_model(NAME)
    for _ in range(3):
        client.create_model_version(NAME, tmp_path.as_uri())
    return client


def move(client: Client, store: Store, to: str, **options: Any) -> str | None:
    return move_alias(client, store, NAME, "champion", to, kind="promote", why="better", **options)


def test_a_move_is_recorded_with_when_who_and_why(registry: Client, store: Store) -> None:
    assert move(registry, store, "1") is None
    assert move(registry, store, "2", verdict={"passed": True}) == "1"
    first, second = alias_history(registry, NAME)
    assert (first.before, first.to, second.before, second.to) == (None, "1", "1", "2")
    assert (second.alias, second.kind, second.why) == ("champion", "promote", "better")
    assert second.outcome == DONE
    assert " on " in second.who
    assert first.when < second.when
    record = read_moves(registry, NAME)[1].id
    assert registry.list_artifacts(record)[0].path == "verdict.json"


def test_pointing_an_alias_at_its_own_version_records_nothing(
    registry: Client, store: Store
) -> None:
    move(registry, store, "1")
    move(registry, store, "1")
    assert len(read_moves(registry, NAME)) == 1


def test_a_change_on_mlflows_pages_is_listed_as_made_outside(
    registry: Client, store: Store
) -> None:
    move(registry, store, "1")
    registry.set_registered_model_alias(NAME, "champion", "3")
    assert alias_history(registry, NAME)[-1].outcome == OUTSIDE
    registry.set_registered_model_alias(NAME, "trial", "2")
    by_alias = {line.alias: line for line in alias_history(registry, NAME)}
    assert (by_alias["trial"].to, by_alias["trial"].outcome) == ("2", OUTSIDE)
    move(registry, store, "2")
    champion = [
        (line.before, line.to) for line in alias_history(registry, NAME) if line.alias == "champion"
    ]
    assert champion == [(None, "1"), ("1", "3"), ("3", "2")]


@pytest.mark.parametrize(
    ("killed_at", "points_at", "outcome"),
    [("set_registered_model_alias", "1", BEFORE), ("set_terminated", "2", AFTER)],
)
def test_an_interrupted_move_leaves_the_old_version_or_the_new_one(
    registry: Client,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: str,
    points_at: str,
    outcome: str,
) -> None:
    move(registry, store, "1")

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry, killed_at, interrupt)
        with pytest.raises(KeyboardInterrupt):
            move(registry, store, "2")
    assert alias_versions(registry, NAME) == {"champion": points_at}
    assert alias_history(registry, NAME)[-1].outcome == outcome
    move(registry, store, "3")  # the next move succeeds
    assert alias_history(registry, NAME)[-1].outcome == DONE
    assert outcome in [line.outcome for line in alias_history(registry, NAME)]


def by_command(client: Client, store: Store) -> None:
    move(client, store, "3")


def by_hand(client: Client, store: Store) -> None:
    client.set_registered_model_alias(NAME, "champion", "3")


@pytest.mark.parametrize("rival", [by_command, by_hand])
def test_of_two_decisions_on_one_snapshot_the_later_loses_and_is_recorded(
    registry: Client, store: Store, rival: Callable[[Client, Store], None]
) -> None:
    move(registry, store, "1")
    snapshot = take_snapshot(registry, NAME, "champion")
    rival(registry, store)
    with pytest.raises(InputError, match="expected champion to stay at version 1"):
        move(registry, store, "2", snapshot=snapshot)
    assert alias_versions(registry, NAME) == {"champion": "3"}
    notes = [move.note.partition(":")[0] for move in read_moves(registry, NAME)]
    assert "lost a race" in notes


def _hold(store: Store, ready: Any, done: Any) -> None:
    with promotion_lock(store, NAME):
        ready.set()
        done.wait(30)


@pytest.mark.parametrize("on_server", [False, True])
def test_one_promotion_at_a_time_on_a_host(store: Store, on_server: bool) -> None:
    here = Store(f"http://127.0.0.1:9/{store.uri}", None) if on_server else store
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(here, ready, done))
    holder.start()
    assert ready.wait(30)
    refused = pytest.raises(InputError, match="another promotion or rollback is in progress")
    with refused, promotion_lock(here, NAME):
        pass
    holder.kill()  # the lock goes with its holder
    holder.join()
    with promotion_lock(here, NAME):
        pass
