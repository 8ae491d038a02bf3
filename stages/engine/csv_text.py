"""Numbers as CSV text: the same bytes for the same numbers."""

import csv
import io
from collections.abc import Iterable

from stages.engine.files import DECIMALS
from stages.engine.tables import to_cell


def csv_text(header: Iterable[str], rows: Iterable[Iterable[str | int | float]]) -> str:
    """Format a table as CSV, floats to 6 decimals and text as `tables.to_cell` writes it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(to_cell, header))
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.{DECIMALS}f}"
    return to_cell(value) if isinstance(value, str) else str(value)
