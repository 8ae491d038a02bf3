"""The gate at the registry: who becomes champion, and what is kept of it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.metrics.comparison import Paired
from stages.registry import contest, history, listing
from stages.registry.gate import Gate, Outcome, promote, rollback
from stages.registry.options import Floors, RuleOptions
from stages.registry.record import FIGURES
from stages.registry.store import Store
from tests.registry import fake

NAME = "pneumonia-phantom"
RULE = RuleOptions(
    ece=1.0,
    margin_sensitivity=0.03,
    margin_specificity=0.05,
    margin_tail=0.07,
    confidence=0.95,
    draws=200,
    seed=0,
)
FLOORS = Floors(auroc=0.9, sensitivity=0.8, specificity=0.7)


def gate(
    *, same: bool = True, rule: RuleOptions = RULE, figures: Any = None, lineage: Any = None
) -> Gate:
    """A gate for a version of HEAD (or not); figures: of the files, None for the run's."""
    return Gate(
        FLOORS, rule, lineage or (lambda model: [("HEAD names it", model, model if same else "")]),
        lambda _: figures, Path("shards"), Path("raw"),
    )  # fmt: skip


@pytest.fixture
def three(client: Any, store: Store, tmp_path: Path) -> Any:
    """A client whose registry has three versions as `register` leaves them, the last the candidate.

    Made by hand: packaging three models would take half a minute.
    """
    return versions(client, store, tmp_path)


def versions(client: Any, store: Store, tmp_path: Path) -> Any:
    fake.write(tmp_path / "data")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/MLmodel").write_text("flavors: {}\n")
    offered = fake.offered(tmp_path / "data")
    figures = {
        "test": {"auroc": fake.figure(0.95), "sensitivity": fake.figure(0.9),
                 "specificity": fake.figure(0.9)},
        "val": {"calibration": {"at_prior": {"ece": fake.figure(0.9)}}},
    }  # fmt: skip
    experiment = client.create_experiment(NAME, (tmp_path / "artifacts").as_uri())
    client.create_registered_model(NAME)
    for number in range(1, 4):
        run = client.create_run(experiment, tags={"run_digest": f"{number}", "complete": "yes"})
        for role, shown in zip(("val", "test"), FIGURES, strict=True):
            client.log_dict(run.info.run_id, {role: figures[role]}, shown)
        client.set_terminated(run.info.run_id, "FINISHED")
        client.create_model_version(
            NAME, (tmp_path / "package").as_uri(), run_id=run.info.run_id,
            tags=dict(offered.note.tags),
        )  # fmt: skip
    history.move(client, store, NAME, "candidate", "3", kind="register", why="floors")
    return client


@pytest.fixture
def missed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many of 400 pneumonia images each later challenger misses that the champion finds."""
    share = [0]

    def hold(*_: Any, **__: Any) -> contest.Contest:
        label = np.repeat([0, 1], 400)
        called = label == 1
        fewer = called.copy()
        fewer[400 : 400 + share[0]] = False
        patient = np.arange(800).astype(str)
        roles = np.full(800, "val_matched")
        return contest.Contest(Paired(roles, patient, label, fewer, called), "800 images")

    monkeypatch.setattr(contest, "hold", hold)
    return share


def failed(outcome: Outcome) -> list[str]:
    return [reason.rule for reason in outcome.verdict.reasons if not reason.passed]


def tags(client: Any, version: str) -> dict[str, str]:
    return dict(client.get_model_version(NAME, version).tags)


def told(client: Any, version: str) -> str:
    return str(client.get_model_version(NAME, version).description)


def test_the_first_champion_is_the_candidate(three: Any, store: Store) -> None:
    outcome = promote(three, store, NAME, None, gate())
    assert (outcome.version, outcome.before, outcome.moved) == ("3", None, True)
    assert history.aliases_of(three, NAME) == {"candidate": "3", "champion": "3"}
    assert tags(three, "3")["gate"] == "passed"
    assert "| champion on the same images | no champion yet | pass |" in told(three, "3")
    assert outcome.reported["test auroc"] == "0.950 (0.930 to 0.970)"
    with pytest.raises(InputError, match="version 3 is the champion already"):
        promote(three, store, NAME, "3", gate())


def test_a_worse_challenger_is_refused_and_the_verdict_kept(
    three: Any, store: Store, missed: list[int]
) -> None:
    promote(three, store, NAME, "1", gate())
    missed[0] = 20  # 5 points
    outcome = promote(three, store, NAME, "2", gate())
    assert not outcome.moved
    assert failed(outcome) == ["sensitivity less champion's, lower bound above -0.03"]
    assert history.aliases_of(three, NAME)["champion"] == "1"
    kept = tags(three, "2")
    assert (kept["gate"], kept["gate_against"]) == ("failed", "1")
    assert "failed, against version 1" in told(three, "2")
    assert re.search(r"\| sensitivity less champion's.* \| FAIL \|", told(three, "2"))
    assert outcome.reported["sensitivity less champion's"].startswith("-0.050 (")
    missed[0] = 1
    assert promote(three, store, NAME, "2", gate()).moved
    assert tags(three, "2")["gate"] == "passed"
    assert told(three, "2").count("### Gate") == 1


def test_an_override_is_on_record(three: Any, store: Store) -> None:
    outcome = promote(three, store, NAME, "1", gate(same=False), override="the clinic asked")
    assert outcome.moved
    assert failed(outcome) == ["HEAD names it"]
    assert tags(three, "1")["gate"] == "overridden"
    assert tags(three, "1")["gate_override"] == "the clinic asked"
    assert history.lines(three, NAME)[-1].why == "gate overridden: the clinic asked"


def test_what_cannot_be_compared_is_refused_unless_overridden(
    three: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold(*_: Any, **__: Any) -> contest.Contest:
        raise InputError("no image is left")

    monkeypatch.setattr(contest, "hold", hold)
    promote(three, store, NAME, "1", gate())
    outcome = promote(three, store, NAME, "2", gate())
    assert (outcome.moved, failed(outcome)) == (False, ["champion on the same images"])
    assert outcome.reported["not compared"] == "no image is left"
    assert promote(three, store, NAME, "2", gate(), override="no choice").moved


def test_the_files_are_asked_before_the_run(three: Any, store: Store) -> None:
    """A store can be edited, and shows an older report where the same model is judged anew."""
    weak = {"test": {key: fake.figure(0.7) for key in vars(FLOORS)}}
    assert len(failed(promote(three, store, NAME, "1", gate(figures=weak)))) == 4
    assert promote(three, store, NAME, "1", gate()).moved


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("pinned", "no", "data are pinned by a checksum (fetch.sha256)"),
        ("pinned", None, "data are pinned by a checksum (fetch.sha256)"),
    ],
)
def test_what_is_unpinned_is_refused(
    three: Any, store: Store, key: str, value: str | None, rule: str
) -> None:
    if value is None:
        three.delete_model_version_tag(NAME, "1", key)
    else:
        three.set_model_version_tag(NAME, "1", key, value)
    assert failed(promote(three, store, NAME, "1", gate())) == [rule]


def test_calibration_has_its_ceiling(three: Any, store: Store) -> None:
    strict = RuleOptions(**{**vars(RULE), "ece": 0.9})
    outcome = promote(three, store, NAME, "1", gate(rule=strict))
    assert failed(outcome) == ["calibration error on val, upper bound at most 0.9"]


def test_a_version_that_is_not_there_is_named(three: Any, store: Store) -> None:
    with pytest.raises(InputError, match="expected a version, received '7'"):
        promote(three, store, NAME, "7", gate())
    with pytest.raises(InputError, match="expected a candidate, found none"):
        promote(three, store, "pneumonia-none", None, gate())
    with pytest.raises(InputError, match="moved by `dvc repro` alone"):
        promote(three, store, NAME, "1", gate(), alias="candidate")


def test_rollback_goes_back_one_champion_at_a_time(
    three: Any, store: Store, missed: list[int]
) -> None:
    with pytest.raises(InputError, match="found none in the history"):
        rollback(three, store, NAME, why="none yet")
    for version in ("1", "2", "3"):
        promote(three, store, NAME, version, gate())
    back = [rollback(three, store, NAME, why="alarms at night").version for _ in range(2)]
    assert back == ["2", "1"]
    assert history.aliases_of(three, NAME)["champion"] == "1"
    with pytest.raises(InputError, match="expected an earlier champion to return to"):
        rollback(three, store, NAME, why="further")
    last = history.lines(three, NAME)[-1]
    assert (last.kind, last.why, last.before, last.to) == ("rollback", "alarms at night", "2", "1")


def test_a_promotion_overtaken_while_it_judges_moves_nothing(
    three: Any, store: Store, monkeypatch: pytest.MonkeyPatch, missed: list[int]
) -> None:
    promote(three, store, NAME, "1", gate())
    judged = contest.hold

    def slowly(*entrants: Any, **places: Any) -> contest.Contest:
        three.set_registered_model_alias(NAME, "champion", "3")  # as another host would
        return judged(*entrants, **places)

    monkeypatch.setattr(contest, "hold", slowly)
    with pytest.raises(InputError, match="nothing was moved here"):
        promote(three, store, NAME, "2", gate())
    assert history.aliases_of(three, NAME)["champion"] == "3"


def test_the_tables_tell_what_is_there(three: Any, store: Store) -> None:
    promote(three, store, NAME, "1", gate())
    rows = listing.versions(three, "pneumonia")
    assert [(row["version"], row["aliases"], row["gate"]) for row in rows] == [
        ("3", "candidate", "not asked"), ("2", "", "not asked"), ("1", "champion", "passed"),
    ]  # fmt: skip
    assert rows[0]["auroc"] == "0.950 (0.930 to 0.970)"
    runs = listing.runs(three, "pneumonia")
    assert [row["status"] for row in runs] == ["FINISHED"] * 3  # moves are no runs
    assert set(runs[0]) == set(listing.RUN_COLUMNS)
    assert set(rows[0]) == set(listing.VERSION_COLUMNS)
    assert listing.versions(three, "other") == listing.runs(three, "other") == []
