from stages.metrics.intervals import Figure
from stages.studies.ablation import Row, format_table
from tests.studies.test_seeds import cells, role

WITH_TAIL = {"val": role(0.99), "val_tail": role(0.8)}


def test_a_row_tells_every_role_and_the_cost() -> None:
    row = Row("2026-01-02", "wide", "train.blocks 2 → 3", WITH_TAIL, "", "3.1 min at 200 images/s")
    table = format_table([row])
    assert cells(table, "Date")[3:] == [
        "shift_auroc", "AUROC, val", "AUROC, val_tail", "Specificity at screening, val",
        "Specificity at screening, val_tail", "Training",
    ]  # fmt: skip
    found = cells(table, "2026-01-02", "wide")
    assert found[2:5] == ["train.blocks 2 → 3", "0.800", "0.990 (0.890 to 1.090)"]
    assert found[-1] == "3.1 min at 200 images/s"


def test_failures_and_missing_roles_stay_in_the_table() -> None:
    failed = Row("", "bad", "train.epochs 1 → 2", None, "failed: a | b\nc", "not recorded")
    table = format_table([
        Row("", "whole", "none", WITH_TAIL, "", ""),
        Row("", "no-tail", "none", {"val": role(0.9)}, "", ""),
        failed,
    ])  # fmt: skip
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "| failed: a / b c |" in table
    assert table.count("no such role") == 2


def test_paired_differences_have_a_column_where_there_are_some() -> None:
    told = {"shift_auroc": Figure(0.01, -0.01, 0.03)}
    first, second = (
        Row("", "base", "none", WITH_TAIL, "", ""),
        Row("", "other", "x", WITH_TAIL, "", "", told),
    )
    assert "against" not in format_table([first])
    table = format_table([first, second])
    assert "shift_auroc against the first row" in table
    assert "| +0.010 (-0.010 to +0.030) |" in table
