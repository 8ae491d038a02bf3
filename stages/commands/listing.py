"""Tables for people, plain text for pipes, JSON for machines."""

import json
import sys
from collections.abc import Mapping, Sequence


def show(rows: Sequence[Mapping[str, str]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows: aligned on a terminal, tabs between cells when piped, or one JSON list."""
    if as_json:
        print(json.dumps([dict(row) for row in rows], indent=2))
        return
    cells = [list(columns), *([_flat(row.get(name, "")) for name in columns] for row in rows)]
    if not sys.stdout.isatty():
        for line in cells:
            print("\t".join(line))
        return
    print(aligned(cells))


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _flat(cell: str) -> str:
    """No tab or line break in a cell, so that a row stays a row."""
    return " ".join(cell.split())
