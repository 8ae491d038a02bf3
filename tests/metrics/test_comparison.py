"""Challenger against champion on the same images."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.metrics.comparison import (
    REFUSED,
    DecisionPairs,
    decision_differences,
    difference_margins,
)

RULE: Any = {"seed": 0, "draws": 400, "confidence": 0.95}


def pair(patients: int = 60, role: str = "val_matched") -> DecisionPairs:
    """Two images of each patient, half of them pneumonia; both models right on all."""
    patient = np.repeat(np.arange(patients), 2)
    label = (patient % 2).astype(np.int64)
    right = label.astype(np.int8)
    return DecisionPairs(
        np.full(len(label), role), np.array([f"p{n}" for n in patient]), label, right, right
    )


def where(paired: DecisionPairs, chosen: Any, decision: int) -> Any:
    """The right decisions, but for `decision` on the chosen images."""
    return np.where(chosen, decision, paired.label).astype(np.int8)


def sensitivity(paired: DecisionPairs, **changes: Any) -> dict[str, float]:
    found = decision_differences(paired, **{**RULE, **changes})["sensitivity"]
    assert found is not None
    return found


def test_a_difference_is_challenger_minus_champion() -> None:
    both = pair()
    missed = where(both, np.isin(np.arange(120), [2, 3, 6, 7, 10, 11]), 0)  # 3 of 30 patients
    found = sensitivity(replace(both, challenger=missed))
    assert found["value"] == pytest.approx(-0.1)
    assert found["low"] < -0.1 < found["high"] <= 0
    swapped = sensitivity(replace(both, champion=missed))
    assert swapped["low"] == pytest.approx(-found["high"], abs=2 / 32)


def test_a_refused_image_is_wrong_for_either_class() -> None:
    """As if each image had got the other call, for challenger and champion."""
    both = pair()
    some = np.arange(120) % 40 < 6  # of both classes
    refused, wrong = where(both, some, REFUSED), np.where(some, 1 - both.label, both.label)
    for side in ("challenger", "champion"):
        found = decision_differences(replace(both, **{side: refused}), **RULE)
        assert found == decision_differences(replace(both, **{side: wrong}), **RULE)
        assert all(figure and figure["value"] for figure in found.values())
    alike = replace(both, challenger=refused, champion=refused)
    assert sensitivity(alike)["value"] == 0


def test_agreement_on_every_image_is_no_certainty() -> None:
    found = [sensitivity(pair(patients)) for patients in (2, 20, 400)]
    assert [figure["value"] for figure in found] == [0, 0, 0]
    # With n pneumonia patients, as if two of n + 2 were lost: margins need patients behind them.
    assert [figure["low"] for figure in found] == pytest.approx([-2 / 3, -2 / 12, -2 / 202])


def test_one_patient_won_proves_no_more_than_agreement_on_all() -> None:
    both = pair(20)
    won = replace(both, champion=where(both, np.arange(40) <= 3, 0))
    for paired in (won, both):
        assert sensitivity(paired)["low"] < -0.05


def test_lower_bounds_hold_what_they_claim() -> None:
    """Of models truly 3 points worse, at most 5% get a bound above; percentiles alone: 23%."""
    generator = np.random.default_rng(0)
    above = 0
    for seed in range(100):
        outcome = generator.choice(3, 40, p=[0.96, 0.005, 0.035])  # alike, won, lost
        paired = DecisionPairs(
            role=np.full(40, "val"),
            patient=np.arange(40).astype(str),
            label=np.ones(40, np.int64),
            challenger=(outcome != 2).astype(np.int8),
            champion=(outcome != 1).astype(np.int8),
        )
        above += sensitivity(paired, seed=seed, draws=200)["low"] > -0.03
    assert above <= 5


def test_images_of_a_patient_are_drawn_together() -> None:
    """Copies of one image carry no more than the image."""
    both = pair()
    called = both.challenger ^ (np.arange(120) % 40 < 2).astype(np.int8)
    once = replace(both, challenger=called)
    thrice = DecisionPairs(*(np.repeat(column, 3) for column in vars(once).values()))
    of_copies, of_images = (decision_differences(one, **RULE) for one in (thrice, once))
    for name in ("sensitivity", "specificity on val_matched"):
        assert of_copies[name] == pytest.approx(of_images[name])


def test_specificity_is_compared_in_each_role() -> None:
    matched, tail = pair(), pair(role="val_tail")
    called = where(tail, np.arange(120) % 40 < 2, 1)  # 3 of the 30 normal patients
    parts = [vars(matched), vars(replace(tail, challenger=called))]
    both = DecisionPairs(**{name: np.concatenate([p[name] for p in parts]) for name in parts[0]})
    found = decision_differences(both, **RULE)
    values = {name: figure and figure["value"] for name, figure in found.items()}
    expected = {
        "sensitivity": 0,
        "specificity on val_matched": 0,
        "specificity on val_tail": -0.1,
    }
    assert values == pytest.approx(expected)


def test_a_class_without_images_is_undefined() -> None:
    both = pair()
    sick = DecisionPairs(*(column[both.label == 1] for column in vars(both).values()))
    assert decision_differences(sick, **RULE)["specificity on val_matched"] is None


@pytest.mark.parametrize(
    ("roles", "specificity"),
    [
        (["val"], {"val": 0.2}),
        (["val_matched"] * 2, {"val_matched": 0.2}),
        (["val_matched", "val_tail"], {"val_matched": 0.2, "val_tail": 0.3}),
        (["val", "val_tail"], {"val": 0.2, "val_tail": 0.3}),
    ],
)
def test_every_role_has_its_margin(roles: list[str], specificity: dict[str, float]) -> None:
    margins = difference_margins(roles, sensitivity=0.1, specificity=0.2, tail=0.3)
    expected = {f"specificity on {role}": margin for role, margin in specificity.items()}
    assert margins == {"sensitivity": 0.1, **expected}
