"""Numbers as CSV text."""

from stages.engine.csv_text import csv_text


def test_floats_have_six_decimals_and_other_cells_stay_as_they_are() -> None:
    rows = [(1, 0.5, "a"), (2, 1 / 3, "b")]
    assert csv_text(("n", "x", "name"), rows) == "n,x,name\n1,0.500000,a\n2,0.333333,b\n"


def test_a_table_without_rows_is_its_header() -> None:
    assert csv_text(("n", "x"), []) == "n,x\n"
