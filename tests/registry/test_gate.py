"""The gate: which version becomes champion, and what is recorded."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.metrics.comparison import DecisionPairs
from stages.registry import listing, packaging, paired_decisions
from stages.registry.aliases import alias_versions
from stages.registry.assessment import Gate
from stages.registry.client import Client
from stages.registry.gate import Outcome, promote, rollback
from stages.registry.history import alias_history
from stages.registry.moves import move_alias, read_moves
from stages.registry.options import Floors, RuleOptions
from stages.registry.paired_decisions import PairedDecisions
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
    """Return a gate.

    Args:
        same: Whether the version is the one in HEAD.
        rule: The bounds.
        figures: Of the files at hand; None for those of the version's run.
        lineage: In place of `same`.
    """

    def lineage_of(model: str) -> list[tuple[str, str | None, str | None]]:
        return [("HEAD names it", model, model if same else "")]

    return Gate(
        floors=FLOORS,
        rule=rule,
        lineage=lineage or lineage_of,
        report=lambda _: figures,
        shards=Path("shards"),
        raw=Path("raw"),
    )


@pytest.fixture
def three(client: Client, store: Store, tmp_path: Path) -> Client:
    return create_versions(client, store, tmp_path)


def create_versions(client: Client, store: Store, tmp_path: Path) -> Client:
    """Create three versions as `register` does, all of one model, the last one the candidate."""
    fake.write(tmp_path / "data")
    release = fake.release(tmp_path / "data")
    digest = packaging.save(
        tmp_path / "package", release.record, root=release.root, lock=release.lock
    )
    figures = {
        "test": {
            "auroc": fake.figure(0.95),
            "sensitivity": fake.figure(0.9),
            "specificity": fake.figure(0.9),
        },
        "val": {"calibration": {"at_prior": {"ece": fake.figure(0.9)}}},
    }
    experiment = client.create_experiment(NAME, (tmp_path / "artifacts").as_uri())
    client.create_registered_model(NAME)
    for number in range(1, 4):
        run = client.create_run(experiment, tags={"run_digest": f"{number}", "complete": "yes"})
        for role, path in zip(("val", "test"), FIGURES, strict=True):
            client.log_dict(run.info.run_id, {role: figures[role]}, path)
        client.set_terminated(run.info.run_id, "FINISHED")
        client.create_model_version(
            NAME,
            (tmp_path / "package").as_uri(),
            run_id=run.info.run_id,
            tags={**release.description.tags, "package_digest": digest},
        )
    move_alias(client, store, NAME, "candidate", "3", kind="register", why="floors")
    return client


@pytest.fixture
def sources() -> list[str]:
    """The sources of the 800 images that models are compared on, in turn."""
    return ["phantom"]


@pytest.fixture
def missed(monkeypatch: pytest.MonkeyPatch, sources: list[str]) -> list[int]:
    """How many of 400 pneumonia images a challenger misses that the champion detects."""
    count = [0]

    def decide(*_: Any, **__: Any) -> PairedDecisions:
        label = np.repeat([0, 1], 400)
        champion = label == 1
        challenger = champion.copy()
        challenger[400 : 400 + count[0]] = False
        patient = np.arange(800).astype(str)
        roles = np.full(800, "val_matched")
        return PairedDecisions(
            DecisionPairs(roles, patient, label, challenger, champion),
            "800 images",
            np.resize(sources, 800),
        )

    monkeypatch.setattr(paired_decisions, "decide", decide)
    return count


def failed(outcome: Outcome) -> list[str]:
    return [reason.rule for reason in outcome.verdict.reasons if not reason.passed]


def tags(client: Client, version: str) -> dict[str, str]:
    return dict(client.get_model_version(NAME, version).tags)


def description(client: Client, version: str) -> str:
    return str(client.get_model_version(NAME, version).description)


def test_the_first_champion_is_the_candidate(three: Client, store: Store) -> None:
    outcome = promote(three, store, NAME, None, gate())
    assert (outcome.version, outcome.before, outcome.moved) == ("3", None, True)
    assert alias_versions(three, NAME) == {"candidate": "3", "champion": "3"}
    assert tags(three, "3")["gate"] == "passed"
    assert "| champion on the same images | no champion yet | pass |" in description(three, "3")
    assert outcome.reported["test auroc"] == "0.950 (0.930 to 0.970)"
    with pytest.raises(InputError, match="version 3 is the champion already"):
        promote(three, store, NAME, "3", gate())


def test_a_worse_challenger_is_refused_and_the_verdict_is_kept(
    three: Client, store: Store, missed: list[int]
) -> None:
    promote(three, store, NAME, "1", gate())
    missed[0] = 20  # 5 points
    outcome = promote(three, store, NAME, "2", gate())
    assert not outcome.moved
    assert failed(outcome) == ["sensitivity minus champion's, lower bound above -0.03"]
    assert alias_versions(three, NAME)["champion"] == "1"
    kept = tags(three, "2")
    assert (kept["gate"], kept["gate_against"]) == ("failed", "1")
    assert "failed, against version 1" in description(three, "2")
    assert re.search(r"\| sensitivity minus champion's.* \| FAIL \|", description(three, "2"))
    assert outcome.reported["sensitivity minus champion's"].startswith("-0.050 (")
    missed[0] = 1
    assert promote(three, store, NAME, "2", gate()).moved
    assert tags(three, "2")["gate"] == "passed"
    assert description(three, "2").count("### Gate") == 1


def test_a_challenger_that_is_worse_in_one_source_is_refused(
    three: Client, store: Store, missed: list[int], sources: list[str]
) -> None:
    promote(three, store, NAME, "1", gate())
    sources[:] = [*150 * ["lyon"], *250 * ["paris"]]
    missed[0] = 5  # 1.25 points in all, 3.3 in lyon
    outcome = promote(three, store, NAME, "2", gate())
    assert failed(outcome) == ["sensitivity in lyon minus champion's, lower bound above -0.03"]
    assert outcome.reported["sensitivity in paris minus champion's"].startswith("0.000 (")
    assert "sensitivity in lyon minus champion's" in description(three, "2")


def test_a_source_with_few_patients_is_reported_and_not_required(
    three: Client, store: Store, missed: list[int], sources: list[str]
) -> None:
    promote(three, store, NAME, "1", gate())
    sources[:] = [*20 * ["lyon"], *380 * ["paris"]]
    missed[0] = 4  # 20 points of the 20 in lyon
    outcome = promote(three, store, NAME, "2", gate())
    assert outcome.moved
    reasons = {reason.rule: reason.value for reason in outcome.verdict.reasons}
    assert reasons["sensitivity in lyon minus champion's"] == "too few patients, not required"
    assert outcome.reported["sensitivity in lyon minus champion's"].startswith("-0.200 (")


def test_an_override_is_recorded(three: Client, store: Store) -> None:
    outcome = promote(three, store, NAME, "1", gate(same=False), override="the clinic asked")
    assert outcome.moved
    assert failed(outcome) == ["HEAD names it"]
    assert tags(three, "1")["gate"] == "overridden"
    assert tags(three, "1")["gate_override"] == "the clinic asked"
    assert alias_history(three, NAME)[-1].why == "gate overridden: the clinic asked"


def test_a_version_that_cannot_be_compared_is_refused_unless_overridden(
    three: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(*_: Any, **__: Any) -> PairedDecisions:
        raise InputError("no image is left")

    monkeypatch.setattr(paired_decisions, "decide", decide)
    promote(three, store, NAME, "1", gate())
    outcome = promote(three, store, NAME, "2", gate())
    assert (outcome.moved, failed(outcome)) == (False, ["champion on the same images"])
    assert outcome.reported["not compared"] == "no image is left"
    assert promote(three, store, NAME, "2", gate(), override="no choice").moved


def test_figures_of_the_files_take_precedence_over_the_runs(three: Client, store: Store) -> None:
    """A store can be edited, and has an older report if the same model was evaluated again."""
    weak = {"test": {key: fake.figure(0.7) for key in FLOORS.model_dump()}}
    assert len(failed(promote(three, store, NAME, "1", gate(figures=weak)))) == 4
    assert promote(three, store, NAME, "1", gate()).moved


@pytest.mark.parametrize("pinned", ["no", None])
def test_unpinned_data_are_refused(three: Client, store: Store, pinned: str | None) -> None:
    if pinned is None:
        three.delete_model_version_tag(NAME, "1", "pinned")
    else:
        three.set_model_version_tag(NAME, "1", "pinned", pinned)
    rule = "data are pinned by a checksum (fetch.sha256)"
    assert failed(promote(three, store, NAME, "1", gate())) == [rule]


@pytest.mark.parametrize("trained", ["no, by dvc commit: train.epochs was 2", "not recorded", None])
def test_a_run_that_never_ran_is_refused(three: Client, store: Store, trained: str | None) -> None:
    if trained is None:  # a version of an earlier release
        three.delete_model_version_tag(NAME, "1", "trained_as_recorded")
    else:
        three.set_model_version_tag(NAME, "1", "trained_as_recorded", trained)
    outcome = promote(three, store, NAME, "1", gate())
    assert failed(outcome) == ["trained with the params, code and data on record"]
    found = [reason.found for reason in outcome.verdict.reasons if not reason.passed]
    assert found == [trained or "not recorded"]


def test_weights_that_are_not_pinned_are_refused(three: Client, store: Store) -> None:
    three.set_model_version_tag(NAME, "1", "weights_pinned", "no")
    rule = "initial weights are pinned by a checksum (train.weights)"
    assert failed(promote(three, store, NAME, "1", gate())) == [rule]
    three.set_model_version_tag(NAME, "1", "weights_pinned", "yes")
    assert promote(three, store, NAME, "1", gate()).moved


@pytest.mark.parametrize("licence", ["not stated", None])
def test_weights_without_a_stated_licence_need_an_explicit_yes(
    three: Client, store: Store, licence: str | None
) -> None:
    assert tags(three, "1")["weights_licence"] == "no weights"
    if licence is None:  # a version of an earlier release
        three.delete_model_version_tag(NAME, "1", "weights_licence")
    else:
        three.set_model_version_tag(NAME, "1", "weights_licence", licence)
    rule = "initial weights have a stated licence, or their lack of one is accepted"
    outcome = promote(three, store, NAME, "1", gate())
    assert (outcome.moved, failed(outcome)) == (False, [rule])
    accepting = replace(gate(), accepts_unlicensed_weights=True)
    assert promote(three, store, NAME, "1", accepting).moved
    accepted = f"{licence or 'not recorded'}, accepted"
    assert f"| {rule} | {accepted} |" in description(three, "1")
    record = [move for move in read_moves(three, NAME) if move.kind == "promote"][-1]
    with tempfile.TemporaryDirectory() as scratch:
        verdict = read_json(Path(three.download_artifacts(record.id, "verdict.json", scratch)))
    assert {reason["rule"]: reason["value"] for reason in verdict["reasons"]}[rule] == accepted


def test_a_stated_licence_of_weights_passes(three: Client, store: Store) -> None:
    three.set_model_version_tag(NAME, "1", "weights_licence", "Apache-2.0")
    assert promote(three, store, NAME, "1", gate()).moved


def test_calibration_has_its_ceiling(three: Client, store: Store) -> None:
    strict = RULE.model_copy(update={"ece": 0.9})
    outcome = promote(three, store, NAME, "1", gate(rule=strict))
    assert failed(outcome) == ["calibration error on val, upper bound at most 0.9"]


def test_a_missing_version_is_named(three: Client, store: Store) -> None:
    with pytest.raises(InputError, match="expected a version, received '7'"):
        promote(three, store, NAME, "7", gate())
    with pytest.raises(InputError, match="expected a candidate, found none"):
        promote(three, store, "pneumonia-none", None, gate())
    with pytest.raises(InputError, match="only `dvc repro` moves candidate"):
        promote(three, store, NAME, "1", gate(), alias="candidate")


def test_rollback_goes_back_one_champion_at_a_time(
    three: Client, store: Store, missed: list[int]
) -> None:
    with pytest.raises(InputError, match="found none in the history"):
        rollback(three, store, NAME, why="none yet")
    for version in ("1", "2", "3"):
        promote(three, store, NAME, version, gate())
    back = [rollback(three, store, NAME, why="alarms at night").version for _ in range(2)]
    assert back == ["2", "1"]
    assert alias_versions(three, NAME)["champion"] == "1"
    with pytest.raises(InputError, match="expected an earlier champion to return to"):
        rollback(three, store, NAME, why="further")
    last = alias_history(three, NAME)[-1]
    assert (last.kind, last.why, last.before, last.to) == ("rollback", "alarms at night", "2", "1")


def test_a_promotion_that_is_overtaken_moves_nothing(
    three: Client, store: Store, monkeypatch: pytest.MonkeyPatch, missed: list[int]
) -> None:
    promote(three, store, NAME, "1", gate())
    decide = paired_decisions.decide

    def slow(*versions: Any, **folders: Any) -> PairedDecisions:
        three.set_registered_model_alias(NAME, "champion", "3")  # as another host would
        return decide(*versions, **folders)

    monkeypatch.setattr(paired_decisions, "decide", slow)
    with pytest.raises(InputError, match="nothing was moved"):
        promote(three, store, NAME, "2", gate())
    assert alias_versions(three, NAME)["champion"] == "3"


def test_the_tables_list_versions_and_runs(three: Client, store: Store) -> None:
    promote(three, store, NAME, "1", gate())
    rows = listing.list_versions(three, "pneumonia")
    assert [(row["version"], row["aliases"], row["gate"]) for row in rows] == [
        ("3", "candidate", "not assessed"),
        ("2", "", "not assessed"),
        ("1", "champion", "passed"),
    ]
    assert rows[0]["auroc"] == "0.950 (0.930 to 0.970)"
    runs = listing.list_runs(three, "pneumonia")
    assert [row["status"] for row in runs] == ["FINISHED"] * 3  # moves are not listed
    assert set(runs[0]) == set(listing.RUN_COLUMNS)
    assert set(rows[0]) == {*listing.VERSION_COLUMNS, "stored"}
    assert listing.list_versions(three, "other") == listing.list_runs(three, "other") == []
