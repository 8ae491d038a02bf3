"""Challenger against champion on the same films."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.metrics.comparison import Paired, differences, margins

RULE: Any = {"seed": 0, "draws": 400, "confidence": 0.95}


def pair(patients: int = 60, role: str = "val_matched") -> Paired:
    """Two films of each patient, half of them sick; both models right on all."""
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
    assert swapped["low"] == pytest.approx(-found["sensitivity"]["high"], abs=1e-12)


def test_agreement_on_every_film_is_no_certainty() -> None:
    few, many = (differences(pair(n), **RULE)["sensitivity"] for n in (20, 400))
    assert few is not None
    assert many is not None
    assert few == {"value": 0.0, "low": pytest.approx(-(1 - 0.05**0.1)), "high": -few["low"]}
    assert few["low"] < many["low"] < 0


def test_one_patient_proves_nothing() -> None:
    one = pair(2)  # one normal, one sick
    better = differences(replace(one, champion=~one.challenger), **RULE)["sensitivity"]
    assert better is not None
    assert better["low"] == pytest.approx(1 - 0.95)


def test_films_of_a_patient_are_drawn_together() -> None:
    """Copies of one film carry no more than the film."""
    one = pair()
    called = one.challenger ^ (np.arange(120) % 40 < 2)
    once = replace(one, challenger=called)
    thrice = Paired(*(np.repeat(column, 3) for column in vars(once).values()))
    for name in ("sensitivity", "specificity"):
        assert differences(thrice, **RULE)[name] == pytest.approx(differences(once, **RULE)[name])


def test_specificity_is_the_mean_over_the_roles() -> None:
    matched, tail = pair(), pair(role="val_tail")
    called = tail.challenger | (np.arange(120) % 40 < 2)  # 3 of the 30 normal patients
    both = [matched, replace(tail, challenger=called)]
    found = differences(
        Paired(*(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in both),
                                                             strict=True))), **RULE
    )  # fmt: skip
    values = {name: figure and figure["value"] for name, figure in found.items()}
    assert values == pytest.approx({
        "sensitivity": 0, "specificity": -0.05, "specificity on val_matched": 0,
        "specificity on val_tail": -0.1,
    })  # fmt: skip


def test_a_class_without_films_is_undefined() -> None:
    both = pair()
    sick = Paired(*(column[both.label == 1] for column in vars(both).values()))
    assert differences(sick, **RULE)["specificity"] is None


@pytest.mark.parametrize(
    ("roles", "alone"),
    [(["val"], False), (["val_matched"], False), (["val", "val_tail"], False),
     (["val_matched", "val_tail"], True)],
)  # fmt: skip
def test_val_matched_has_a_margin_of_its_own_beside_others(roles: list[str], alone: bool) -> None:
    asked = margins(roles, sensitivity=0.1, specificity=0.2)
    assert (asked["sensitivity"], asked["specificity"]) == (0.1, 0.2)
    assert ("specificity on val_matched" in asked) is alone
