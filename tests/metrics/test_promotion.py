from typing import Any

import pytest

from stages.metrics.promotion import Verdict, floors

FIGURES: dict[str, Any] = {
    "films": 100,
    "auroc": {"value": 0.97, "low": 0.95, "high": 0.98},
    "sensitivity": {"value": 0.93, "low": 0.90, "high": 0.95},
}


@pytest.mark.parametrize(
    ("required", "passed"),
    [
        ({"auroc": 0.9}, True),
        ({"auroc": 0.95}, True),  # a floor that is just reached
        ({"auroc": 0.96}, False),  # the value clears it, its lower bound does not
        ({"auroc": 0.9, "sensitivity": 0.9}, True),
        ({"auroc": 0.9, "sensitivity": 0.91}, False),
        ({"ppv": 0.0}, False),  # a figure that nobody has shown
        ({"films": 10}, False),  # a number without an interval
        ({}, False),  # no rule: nothing was judged
    ],
)
def test_floors_hold_lower_bounds(required: dict[str, float], passed: bool) -> None:
    assert Verdict(floors(FIGURES, required)).passed is passed


def test_a_verdict_gives_its_reasons() -> None:
    verdict = Verdict(floors(FIGURES, {"ppv": 0.5, "auroc": 0.9, "sensitivity": 0.95}))
    assert str(verdict).splitlines() == [
        "pass  auroc, lower bound at least 0.9: 0.950",
        "FAIL  ppv, lower bound at least 0.5: no such figure",
        "FAIL  sensitivity, lower bound at least 0.95: 0.900",
    ]
    assert [reason.value for reason in verdict.reasons] == [0.95, None, 0.9]
