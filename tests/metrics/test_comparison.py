"""Challenger against champion on the same images."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.metrics.comparison import Paired, differences, margins

RULE: Any = {"seed": 0, "draws": 400, "confidence": 0.95}


def pair(patients: int = 60, role: str = "val_matched") -> Paired:
    """Two images of each patient, half of them sick; both models right on all."""
    patient = np.repeat(np.arange(patients), 2)
    label = (patient % 2).astype(np.int64)
    right = label == 1
    return Paired(
        np.full(len(label), role), np.array([f"p{n}" for n in patient]), label, right, right
    )


def test_a_difference_is_challenger_minus_champion() -> None:
    both = pair()
    missed = both.challenger & ~np.isin(np.arange(120), [2, 3, 6, 7, 10, 11])  # 3 of 30 patients
    found = differences(replace(both, challenger=missed), **RULE)
    assert found["sensitivity"] is not None
    assert found["sensitivity"]["value"] == pytest.approx(-0.1)
    assert found["sensitivity"]["low"] < -0.1 < found["sensitivity"]["high"] <= 0
    swapped = differences(replace(both, champion=missed), **RULE)["sensitivity"]
    assert swapped is not None
    assert swapped["low"] == pytest.approx(-found["sensitivity"]["high"], abs=2 / 32)


def test_agreement_on_every_image_is_no_certainty() -> None:
    lows = []
    for patients in (2, 20, 400):
        found = differences(pair(patients), **RULE)["sensitivity"]
        assert found is not None
        assert found["value"] == 0
        lows.append(found["low"])
    # With n sick patients, as if two of n + 2 were lost: margins need patients behind them.
    assert lows == pytest.approx([-2 / 3, -2 / 12, -2 / 202])


def test_a_gain_more_is_no_less_certain_than_none() -> None:
    """One patient won and none lost can't prove what agreement on all does not."""
    both = pair(20)
    won = differences(replace(both, champion=both.champion & (np.arange(40) > 3)), **RULE)
    alike = differences(both, **RULE)
    for found in (won, alike):
        assert found["sensitivity"] is not None
        assert found["sensitivity"]["low"] < -0.05


def test_lower_bounds_hold_what_they_claim() -> None:
    """Of models truly 3 points worse, at most 5% get a bound above; percentiles alone: 23%."""
    generator = np.random.default_rng(0)
    above = 0
    for seed in range(100):
        outcome = generator.choice(3, 40, p=[0.96, 0.005, 0.035])  # alike, won, lost
        one = Paired(
            np.full(40, "val"), np.arange(40).astype(str), np.ones(40, np.int64),
            outcome != 2, outcome != 1,
        )  # fmt: skip
        found = differences(one, seed=seed, draws=200, confidence=0.95)["sensitivity"]
        assert found is not None
        above += found["low"] > -0.03
    assert above <= 5


def test_images_of_a_patient_are_drawn_together() -> None:
    """Copies of one image carry no more than the image."""
    one = pair()
    called = one.challenger ^ (np.arange(120) % 40 < 2)
    once = replace(one, challenger=called)
    thrice = Paired(*(np.repeat(column, 3) for column in vars(once).values()))
    for name in ("sensitivity", "specificity on val_matched"):
        assert differences(thrice, **RULE)[name] == pytest.approx(differences(once, **RULE)[name])


def test_specificity_is_told_by_role() -> None:
    matched, tail = pair(), pair(role="val_tail")
    called = tail.challenger | (np.arange(120) % 40 < 2)  # 3 of the 30 normal patients
    both = [matched, replace(tail, challenger=called)]
    found = differences(
        Paired(*(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in both),
                                                             strict=True))), **RULE
    )  # fmt: skip
    values = {name: figure and figure["value"] for name, figure in found.items()}
    assert values == pytest.approx({
        "sensitivity": 0, "specificity on val_matched": 0, "specificity on val_tail": -0.1,
    })  # fmt: skip


def test_a_class_without_images_is_undefined() -> None:
    both = pair()
    sick = Paired(*(column[both.label == 1] for column in vars(both).values()))
    assert differences(sick, **RULE)["specificity on val_matched"] is None


@pytest.mark.parametrize(
    ("roles", "specificity"),
    [(["val"], {"val": 0.2}), (["val_matched"] * 2, {"val_matched": 0.2}),
     (["val_matched", "val_tail"], {"val_matched": 0.2, "val_tail": 0.3}),
     (["val", "val_tail"], {"val": 0.2, "val_tail": 0.3})],
)  # fmt: skip
def test_every_role_has_its_margin(roles: list[str], specificity: dict[str, float]) -> None:
    asked = margins(roles, sensitivity=0.1, specificity=0.2, tail=0.3)
    expected = {f"specificity on {role}": margin for role, margin in specificity.items()}
    assert asked == {"sensitivity": 0.1, **expected}
