"""The record of alias moves, and what it tells after races, kills and other hands."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.registry import history
from stages.registry.history import OUTSIDE, Move, look, move, one_mover, read, replay
from stages.registry.store import Store

NAME = "pneumonia-phantom"


def moved(before: str | None, to: str, *, kind: str = "promote", state: str = "FINISHED",
          note: str = "") -> Move:  # fmt: skip
    return Move("id", "champion", before, to, "then", "me", kind, "why", state, note)


@pytest.mark.parametrize(
    ("moves", "now", "outcomes", "stack"),
    [
        ([], None, [], []),
        ([moved(None, "1"), moved("1", "2")], "2", ["made", "made"], ["1", "2"]),
        # Killed before the alias moved, and after: the alias tells, or the record that follows.
        ([moved(None, "1"), moved("1", "2", state="RUNNING")], "1",
         ["made", "broken off before the alias moved"], ["1"]),
        ([moved(None, "1"), moved("1", "2", state="RUNNING")], "2",
         ["made", "broken off after the alias moved"], ["1", "2"]),
        ([moved(None, "1", state="RUNNING"), moved("1", "2")], "2",
         ["broken off after the alias moved", "made"], ["1", "2"]),
        ([moved(None, "1", state="RUNNING"), moved(None, "2")], "2",
         ["broken off before the alias moved", "made"], ["2"]),
        # Other hands: at the end, in the midst, and before the first record.
        ([moved(None, "1")], "3", ["made", OUTSIDE], ["1", "3"]),
        ([moved(None, "1")], None, ["made", OUTSIDE], []),
        ([moved(None, "1"), moved("3", "4")], "4", ["made", OUTSIDE, "made"], ["1", "3", "4"]),
        ([moved("7", "8")], "8", [OUTSIDE, "made"], ["7", "8"]),
        # A lost race moved nothing.
        ([moved(None, "1"), moved("1", "2"), moved("1", "3", state="KILLED", note="lost")], "2",
         ["made", "made", "lost"], ["1", "2"]),
        # A rollback goes back on the stack, a second one further.
        ([moved(None, "1"), moved("1", "2"), moved("2", "3"), moved("3", "2", kind="rollback")],
         "2", ["made"] * 4, ["1", "2"]),
        ([moved(None, "1"), moved("1", "2"), moved("2", "1", kind="rollback"), moved("1", "3")],
         "3", ["made"] * 4, ["1", "3"]),
    ],
)  # fmt: skip
def test_the_records_and_the_alias_tell_what_happened(
    moves: list[Move], now: str | None, outcomes: list[str], stack: list[str]
) -> None:
    lines, gone_through = replay(moves, now)
    # A lost race's `before` is not where the alias was by then: no other hands are made of it.
    assert [line.outcome for line in lines] == outcomes
    assert gone_through == stack


@pytest.fixture
def versions(client: Any, tmp_path: Path) -> Any:
    """A client whose registry has three versions of NAME."""
    client.create_registered_model(NAME)
    for _ in range(3):
        client.create_model_version(NAME, tmp_path.as_uri())
    return client


def go(client: Any, store: Store, to: str, **more: Any) -> str | None:
    return move(client, store, NAME, "champion", to, kind="promote", why="better", **more)


def test_a_move_is_on_record_with_all_that_a_person_asks(versions: Any, store: Store) -> None:
    assert go(versions, store, "1") is None
    assert go(versions, store, "2", verdict={"passed": True}) == "1"
    first, second = history.lines(versions, NAME)
    assert (first.before, first.to, second.before, second.to) == (None, "1", "1", "2")
    assert (second.alias, second.kind, second.why, second.outcome) == (
        "champion", "promote", "better", "made",
    )  # fmt: skip
    assert " on " in second.who
    assert first.when < second.when
    kept = read(versions, NAME)[1].id
    assert versions.list_artifacts(kept)[0].path == "verdict.json"


def test_pointing_where_it_points_is_no_move(versions: Any, store: Store) -> None:
    go(versions, store, "1")
    go(versions, store, "1")
    assert len(read(versions, NAME)) == 1


def test_a_hand_in_the_pages_shows_as_made_outside(versions: Any, store: Store) -> None:
    go(versions, store, "1")
    versions.set_registered_model_alias(NAME, "champion", "3")
    assert history.lines(versions, NAME)[-1].outcome == OUTSIDE
    versions.set_registered_model_alias(NAME, "shadow", "2")
    by_alias = {line.alias: line for line in history.lines(versions, NAME)}
    assert (by_alias["shadow"].to, by_alias["shadow"].outcome) == ("2", OUTSIDE)
    go(versions, store, "2")
    told = [(line.before, line.to) for line in history.lines(versions, NAME)
            if line.alias == "champion"]  # fmt: skip
    assert told == [(None, "1"), ("1", "3"), ("3", "2")]


@pytest.mark.parametrize(
    ("dies_at", "points_at", "outcome"),
    [
        ("set_registered_model_alias", "1", "broken off before the alias moved"),
        ("set_terminated", "2", "broken off after the alias moved"),
    ],
)
def test_killed_half_way_it_is_the_old_or_the_new(
    versions: Any, store: Store, monkeypatch: pytest.MonkeyPatch,
    dies_at: str, points_at: str, outcome: str,
) -> None:  # fmt: skip
    go(versions, store, "1")

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(versions, dies_at, die)
        with pytest.raises(KeyboardInterrupt):
            go(versions, store, "2")
    assert history.aliases_of(versions, NAME) == {"champion": points_at}
    assert history.lines(versions, NAME)[-1].outcome == outcome
    go(versions, store, "3")  # and life goes on
    assert history.lines(versions, NAME)[-1].outcome == "made"
    assert outcome in [line.outcome for line in history.lines(versions, NAME)]


def by_record(client: Any, store: Store) -> None:
    go(client, store, "3")


def by_hand(client: Any, store: Store) -> None:
    client.set_registered_model_alias(NAME, "champion", "3")


@pytest.mark.parametrize("rival", [by_record, by_hand])
def test_of_two_that_decided_on_the_same_the_later_loses_on_record(
    versions: Any, store: Store, rival: Callable[[Any, Store], None]
) -> None:
    go(versions, store, "1")
    seen = look(versions, NAME, "champion")
    rival(versions, store)
    with pytest.raises(InputError, match="expected champion at version 1 until the end"):
        go(versions, store, "2", seen=seen)
    assert history.aliases_of(versions, NAME) == {"champion": "3"}
    assert "lost a race" in [move.note.partition(":")[0] for move in read(versions, NAME)]


def _holds(store: Store, ready: Any, done: Any) -> None:
    with one_mover(store, NAME):
        ready.set()
        done.wait(30)


@pytest.mark.parametrize("served", [False, True])
def test_one_mover_at_a_time_on_a_host(store: Store, served: bool) -> None:
    here = Store(f"http://127.0.0.1:9/{store.uri}", None) if served else store
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_holds, args=(here, ready, done))
    other.start()
    assert ready.wait(30)
    with pytest.raises(InputError, match="another promotion or rollback under way"), \
            one_mover(here, NAME):  # fmt: skip
        pass
    other.kill()  # the lock goes with its holder
    other.join()
    with one_mover(here, NAME):
        pass
