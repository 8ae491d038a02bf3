"""CSV files: no cell is a formula or holds a control, and each is read back as it was."""

import csv
import io
from pathlib import Path

import pytest

from stages.engine.csv_text import csv_text
from stages.engine.printable import is_printable
from stages.engine.tables import TableWriter, from_cell, read_table, to_cell, write_table

PLAIN = ["", "IM-0001", "a,b", 'a "b"', "a=b", r"C:\x1b", "Ärztin", "person1_bacteria", "it's"]
MARKED = [
    ("-5", "'-5"),
    ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
    ("+1", "'+1"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("\uff1dA1", "'\uff1dA1"),
    ("'quoted", "''quoted"),
    ("\t=1", r"'\t=1"),
    ("a\nb\rc", r"'a\nb\rc"),
    ("\x1b[2J\\", r"'\x1b[2J\\"),
    ("a\u202eb\U000e0041\udcff", r"'a\u202eb\U000e0041\udcff"),
    ("-\\n", r"'-\\n"),
]


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_cells_are_as_they_were(text: str) -> None:
    assert to_cell(text) == text
    assert from_cell(text) == text


@pytest.mark.parametrize(("text", "cell"), MARKED)
def test_other_cells_are_marked_and_read_back(text: str, cell: str) -> None:
    assert to_cell(text) == cell
    assert from_cell(cell) == text
    assert is_printable(cell)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    texts = [*PLAIN, *(text for text, _ in MARKED)]
    path = tmp_path / "table.csv"
    write_table(path, ["path", "=n"], [{"path": text, "=n": -1.5} for text in texts])
    with path.open(newline="", encoding="utf-8") as handle:
        columns, rows = read_table(handle)
        assert columns == ["path", "=n"]
        assert [row["path"] for row in rows] == texts
    with path.open(newline="", encoding="utf-8") as handle:
        assert {line["'=n"] for line in csv.DictReader(handle)} == {"-1.5"}  # a number has no mark


def test_a_row_with_another_column_is_refused() -> None:
    table = TableWriter(io.StringIO(), ["a"])
    with pytest.raises(ValueError, match=r"expected the columns \['a'\], received \['b'\]"):
        table.write({"a": 1, "b": 2})


def test_csv_text_marks_cells_too() -> None:
    written = csv_text(("name", "x"), [("=1", -0.5), ("a,b", 2)])
    assert written == 'name,x\n\'=1,-0.500000\n"a,b",2\n'
