"""The promotion rule as a table of inputs and verdicts."""

from typing import Any

import numpy as np
import pytest

from stages.metrics.comparison import REFUSED, DecisionPairs, decision_differences
from stages.registry.rule import Verdict, ceiling, floors, not_worse, not_worse_in, same

FIGURES: dict[str, Any] = {
    "images": 100,
    "auroc": {"value": 0.97, "low": 0.95, "high": 0.98},
    "sensitivity": {"value": 0.93, "low": 0.90, "high": 0.95},
}


@pytest.mark.parametrize(
    ("required", "passed"),
    [
        ({"auroc": 0.9}, True),
        ({"auroc": 0.95}, True),  # a floor that is exactly reached
        ({"auroc": 0.96}, False),  # the value reaches it, the lower bound does not
        ({"auroc": 0.9, "sensitivity": 0.9}, True),
        ({"auroc": 0.9, "sensitivity": 0.91}, False),
        ({"ppv": 0.0}, False),  # no such figure
        ({"images": 10}, False),  # a number without an interval
        ({}, False),  # no rule at all
    ],
)
def test_floors_apply_to_lower_bounds(required: dict[str, float], passed: bool) -> None:
    assert Verdict(floors(FIGURES, required)).passed is passed


def test_a_verdict_gives_its_reasons() -> None:
    verdict = Verdict(floors(FIGURES, {"ppv": 0.5, "auroc": 0.9, "sensitivity": 0.95}))
    assert str(verdict).splitlines() == [
        "pass  auroc, lower bound at least 0.9: 0.950",
        "FAIL  ppv, lower bound at least 0.5: no such figure",
        "FAIL  sensitivity, lower bound at least 0.95: 0.900",
    ]
    assert [reason.value for reason in verdict.reasons] == [0.95, None, 0.9]


@pytest.mark.parametrize(
    ("figure", "passed"),
    [
        ({"value": 0.05, "low": 0.01, "high": 0.1}, True),
        ({"value": 0.05, "low": 0.01, "high": 0.101}, False),  # the upper bound counts
        ({"value": 0.05}, False),
        (None, False),
    ],
)
def test_a_ceiling_applies_to_the_upper_bound(figure: Any, passed: bool) -> None:
    assert ceiling("ece on val", figure, 0.1).passed is passed


MARGINS = {"sensitivity": 0.03, "specificity on val": 0.05}


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "passed"),
    [
        (-0.029, -0.049, True),
        (0.02, 0.01, True),  # better
        (-0.031, 0.1, False),  # specificity does not make up for sensitivity
        (0.1, -0.051, False),
        (-0.03, 0.0, False),  # a margin that is exactly reached
        (None, 0.0, False),  # undefined on these images
    ],
)
def test_a_challenger_may_not_be_worse_than_the_margin(
    sensitivity: float | None, specificity: float, passed: bool
) -> None:
    found = {
        "sensitivity": None if sensitivity is None else {"value": 0.0, "low": sensitivity},
        "specificity on val": {"value": 0.0, "low": specificity},
        "specificity on val_tail": {"value": -0.5, "low": -0.5},  # reported, not required
    }
    assert Verdict(not_worse(found, MARGINS)).passed is passed


def test_a_comparison_without_images_fails() -> None:
    assert str(Verdict(not_worse({}, MARGINS))).splitlines() == [
        "FAIL  sensitivity minus champion's, lower bound above -0.03: no such figure",
        "FAIL  specificity on val minus champion's, lower bound above -0.05: no such figure",
    ]


@pytest.mark.parametrize(
    ("found", "required", "passed"),
    [
        ("a" * 64, "a" * 64, True),
        ("a" * 64, "b" * 64, False),
        (None, None, False),
        ("a", None, False),
        (None, "a", False),
    ],
)
def test_names_must_be_equal(found: str | None, required: str | None, passed: bool) -> None:
    reason = same("lineage", found, required)
    assert reason.passed is passed
    assert len(str(reason.required)) <= 12


@pytest.mark.parametrize(
    ("alike", "low", "passed"),
    [
        (-0.01, -0.029, True),
        (-0.01, -0.031, False),
        (-0.01, None, False),
        (-0.03, -0.9, True),  # even equal decisions could not pass: too few patients
        (None, -0.9, True),  # the source has no image of the class
    ],
)
def test_a_source_is_required_as_far_as_it_has_enough_patients(
    alike: float | None, low: float | None, passed: bool
) -> None:
    def found(bound: float | None) -> dict[str, Any]:
        return {"sensitivity": None if bound is None else {"value": 0.0, "low": bound}}

    (reason,) = not_worse_in("lyon", found(low), found(alike), {"sensitivity": 0.03})
    assert reason.passed is passed
    assert reason.rule.startswith("sensitivity in lyon minus champion's")
    few = alike is None or alike <= -0.03
    assert (reason.value == "too few patients, not required") is few


GATE = {"sensitivity": 0.05, "specificity on val": 0.05}


@pytest.mark.parametrize(
    ("challenger", "champion", "failed"),
    [
        # Shares of the positives and of the negatives that a version refuses; else it is right.
        ((0, 0), (0, 0), set()),
        ((0.1, 0), (0, 0), {"sensitivity"}),
        ((0, 0.1), (0, 0), {"specificity on val"}),
        ((0.1, 0.1), (0, 0), {"sensitivity", "specificity on val"}),
        ((0, 0), (0.1, 0.1), set()),  # a champion's refusals count as much as a challenger's
        ((0.1, 0.1), (0.1, 0.1), set()),
        ((1, 1), (1, 1), set()),  # two that answer nothing are alike: the floors fail them
        ((0.02, 0.02), (0, 0), set()),
    ],
)
def test_a_challenger_must_not_refuse_more(
    challenger: tuple[float, float], champion: tuple[float, float], failed: set[str]
) -> None:
    each = 250
    label = np.repeat([1, 0], each)

    def decisions(refused: tuple[float, float]) -> Any:
        rank = np.tile(np.arange(each) / each, 2)
        return np.where(rank < np.repeat(refused, each), REFUSED, label).astype(np.int8)

    paired = DecisionPairs(
        role=np.full(2 * each, "val"),
        patient=np.arange(2 * each).astype(str),
        label=label,
        challenger=decisions(challenger),
        champion=decisions(champion),
    )
    found = decision_differences(paired, seed=0, draws=400, confidence=0.95)
    reasons = not_worse(found, GATE)
    assert {reason.rule.split(" minus")[0] for reason in reasons if not reason.passed} == failed
