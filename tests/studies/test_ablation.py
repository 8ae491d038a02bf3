"""The experiments of a commit as one table."""

import re

import pytest

from stages.engine.errors import InputError
from stages.metrics.intervals import Figure
from stages.settings import params
from stages.studies import ablation, seeds
from stages.studies.ablation import Row, format_table
from tests.studies.conftest import Dvc
from tests.studies.test_seeds import cells, role

WITH_TAIL = {"val": role(0.99), "val_tail": role(0.8)}


def test_a_row_has_every_role_and_the_cost() -> None:
    row = Row("2026-01-02", "wide", "train.blocks 2 → 3", WITH_TAIL, "", "3.1 min at 200 images/s")
    table = format_table([row])
    assert cells(table, "Date")[3:] == [
        "shift_auroc",
        "AUROC, val",
        "AUROC, val_tail",
        "Specificity at screening, val",
        "Specificity at screening, val_tail",
        "Training",
    ]
    found = cells(table, "2026-01-02", "wide")
    assert found[2:5] == ["train.blocks 2 → 3", "0.800", "0.990 (0.890 to 1.090)"]
    assert found[-1] == "3.1 min at 200 images/s"


def test_failures_and_missing_roles_stay_in_the_table() -> None:
    rows = [
        Row("", "whole", "none", WITH_TAIL, "", ""),
        Row("", "no-tail", "none", {"val": role(0.9)}, "", ""),
        Row("", "bad", "train.epochs 1 → 2", None, "failed: a | b\nc", "not recorded"),
    ]
    table = format_table(rows)
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert r"| failed: a \| b c |" in table
    assert table.count("no such role") == 2


def test_paired_differences_have_a_column_where_there_are_some() -> None:
    difference = {"shift_auroc": Figure(0.01, -0.01, 0.03)}
    first, second = (
        Row("", "base", "none", WITH_TAIL, "", ""),
        Row("", "other", "x", WITH_TAIL, "", "", difference),
    )
    assert "against" not in format_table([first])
    table = format_table([first, second])
    assert "shift_auroc against the first row" in table
    assert "| +0.010 (-0.010 to +0.030) |" in table


def test_no_experiments_make_no_table(dvc: Dvc) -> None:
    with pytest.raises(InputError, match="HEAD: expected experiments that start from it"):
        ablation.run(params.load(), "HEAD", paired=False)
    seeds.run(1, "seed", [])
    with pytest.raises(InputError, match=r"--paired: expected a trained baseline, received main"):
        ablation.run(params.load(), "HEAD", paired=True)
    with pytest.raises(InputError, match=r"--against other: .* \(seed-0\)"):
        ablation.run(params.load(), "HEAD", against="other", paired=False)


def test_changes_are_those_from_the_baseline_that_is_named(dvc: Dvc) -> None:
    seeds.run(2, "seed", ["train.epochs=9"])
    lines = ablation.run(params.load(), "HEAD", against="seed-0", paired=False).splitlines()
    assert lines[2].startswith("|  | seed-0 | none: the baseline |")
    assert lines[3].startswith("|  | seed-1 | train.seed 0 → 1 |")
    assert len(lines) == 4  # the commit itself is no row beside another baseline
