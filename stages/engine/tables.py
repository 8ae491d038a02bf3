r"""Write tables as CSV files, and read them back.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`, and a terminal obeys control
characters. Such names are sound all the same: a patient may be called `-5`, an image `=x.png`.
They are neither refused nor changed for those who read the table with this module: a text cell
that begins so, or holds what is not printable, is written in a marked form. It starts with an
apostrophe, which spreadsheets take for the start of a text, and `\\`, `\x1b`, `\u202e` stand for
characters. A cell that begins with an apostrophe itself is marked too, so that each text has one
form and each form one text. All other cells, and so almost all files, are plain CSV; numbers never
need a mark.

A program without this module reads `'-5` for the patient `-5`: the same name everywhere, so
grouping and joining still work.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from stages.engine.printable import is_printable, printable

MARK = "'"
"""Starts a cell in the marked form."""

# The wide forms are those of a Japanese keyboard, which some spreadsheets take for the narrow ones.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_ESCAPE = re.compile(r"\\(?:([\\nrt])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_SHORT = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


class TableWriter:
    """Writes the rows of a CSV file, whose header it has written; None becomes an empty cell."""

    def __init__(self, handle: TextIO, columns: Iterable[str]) -> None:
        self._columns = list(columns)
        self._writer = csv.writer(handle, lineterminator="\n")
        self._writer.writerow(map(to_cell, self._columns))

    def write(self, row: Mapping[str, object]) -> None:
        """Write one row.

        Raises:
            ValueError: It has another column than the header.
        """
        if unknown := row.keys() - {*self._columns}:
            raise ValueError(f"expected the columns {self._columns}, received {sorted(unknown)}")
        self._writer.writerow([_any_cell(row.get(column)) for column in self._columns])


def write_table(path: Path, columns: list[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV with a header; None becomes an empty field."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = TableWriter(handle, columns)
        for row in rows:
            table.write(row)


def read_table(handle: TextIO) -> tuple[list[str], Iterator[dict[str, str]]]:
    """Return the columns of a table that was written here, and its rows.

    A row that is too short has None for the cells that are not there.
    """
    table = csv.DictReader(handle)
    columns = [from_cell(column) for column in table.fieldnames or ()]
    return columns, (
        {column: from_cell(cell) if isinstance(cell, str) else cell for column, cell in row.items()}
        for row in table
    )


def to_cell(text: str) -> str:
    """Return a text as a cell, in the marked form where it needs that."""
    if not text.startswith((MARK, *_FORMULA)) and is_printable(text):
        return text
    return MARK + printable(text.replace("\\", "\\\\"))


def from_cell(cell: str) -> str:
    """Return the text of a cell."""
    return _ESCAPE.sub(_character, cell[1:]) if cell.startswith(MARK) else cell


def _any_cell(value: object) -> object:
    return to_cell(value) if isinstance(value, str) else value


def _character(found: re.Match[str]) -> str:
    short, *codes = found.groups()
    return _SHORT[short] if short else chr(int(next(filter(None, codes)), 16))
