import statistics
from typing import Any

import pytest

from stages.studies.seeds import format_table, mean_shift_auroc


def role(auroc: float, specificity: float | None = 0.5) -> dict[str, Any]:
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    screening = {} if specificity is None else {"specificity": figure(specificity)}
    return {
        "auroc": figure(auroc),
        "decision": {"sensitivity": figure(0.8), "specificity": figure(0.7)},
        "screening": screening,
    }


def cells(table: str, *start: str) -> list[str]:
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    (found,) = [row for row in rows if row[: len(start)] == list(start)]
    return found


def test_mean_and_spread_are_those_of_the_values_with_each_ones_interval_beside() -> None:
    values = {"seed-0": 0.80, "seed-1": 0.90, "seed-2": 0.85}
    table = format_table({name: {"val": role(value)} for name, value in values.items()})
    found = cells(table, "val", "AUROC")
    assert found[2:6] == [
        f"{statistics.mean(values.values()):.3f}",
        f"{statistics.stdev(values.values()):.3f}",
        "0.800",
        "0.900",
    ]
    assert found[6:] == [
        "0.800 (0.700 to 0.900)", "0.900 (0.800 to 1.000)", "0.850 (0.750 to 0.950)",
    ]  # fmt: skip
    assert cells(table, "Role")[6:] == list(values)


def test_one_seed_has_no_spread() -> None:
    table = format_table({"seed-0": {"val": role(0.8)}})
    assert cells(table, "val", "AUROC")[2:4] == ["0.800", "one only"]


def test_a_figure_that_one_training_leaves_out_has_no_mean() -> None:
    table = format_table({"a": {"val": role(0.8)}, "b": {"val": role(0.8, specificity=None)}})
    found = cells(table, "val", "Specificity at screening sensitivity")
    assert found[2:] == ["undefined"] * 4 + ["0.500 (0.400 to 0.600)", "undefined"]


def test_the_shift_is_the_mean_over_the_shift_validations() -> None:
    validation = {"val": role(0.99), "val_matched": role(0.9), "val_tail": role(0.8)}
    assert mean_shift_auroc(validation) == pytest.approx(0.85)
    assert mean_shift_auroc({"val": role(0.99)}) is None
    table = format_table({"a": validation, "b": validation})
    assert cells(table, "shift")[2:] == ["0.850", "0.000", "0.850", "0.850", "0.850", "0.850"]
