"""Write tables as CSV files."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO


def write_table(path: Path, columns: list[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV with a header; None becomes an empty field."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        table_writer(handle, columns).writerows(rows)


def table_writer(handle: TextIO, columns: list[str]) -> "csv.DictWriter[str]":
    """Write the header of a CSV file to `handle` and return a writer for its rows."""
    writer = csv.DictWriter(handle, columns, lineterminator="\n")
    writer.writeheader()
    return writer
