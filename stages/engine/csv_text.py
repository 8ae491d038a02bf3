"""Numbers as CSV text: the same bytes for the same numbers."""

from collections.abc import Iterable

from stages.engine.files import DECIMALS


def csv_text(header: Iterable[str], rows: Iterable[Iterable[str | int | float]]) -> str:
    """Format a table as CSV, floats to 6 decimals.

    Text cells are written as they are: none may hold a comma, a quote or a line break.
    """
    lines = [
        ",".join(f"{cell:.{DECIMALS}f}" if isinstance(cell, float) else str(cell) for cell in row)
        for row in rows
    ]
    return "\n".join([",".join(header), *lines]) + "\n"
