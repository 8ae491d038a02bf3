"""Tables and Markdown on stdout: laid out on a terminal, plain text when piped."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from stages.engine.console import print_json, print_text, shown

if TYPE_CHECKING:
    from rich.table import Table

_GAP = 2
"""Spaces between the columns of a table on a terminal."""


def print_rows(rows: Sequence[Mapping[str, str]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a table, or as a JSON list of objects.

    Args:
        rows: Cells by column; one that is not there is empty.
        columns: The columns of the table, in their order.
        as_json: Print JSON, with all that the rows hold.
    """
    if as_json:
        print_json([dict(row) for row in rows])
    else:
        print_table(columns, [[row.get(name, "") for name in columns] for row in rows])


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: with aligned columns on a terminal, else one line a row, tabs between cells.

    Where columns do not fit the terminal, cells go on in further lines, broken between words.
    Where that is not enough, each row becomes a block of lines, one for each cell with content.
    """
    lines = [[shown(" ".join(cell.split())) for cell in row] for row in (columns, *rows)]
    if not sys.stdout.isatty():
        for line in lines:
            print_text("\t".join(line))
        return
    from rich.console import Console

    console = Console()
    header, *body = lines
    longest_words = [
        max((len(word) for cell in column for word in cell.split()), default=0)
        for column in zip(*lines, strict=True)
    ]
    if sum(longest_words) + _GAP * (len(header) - 1) <= console.width:
        console.print(_grid(header, body))
        return
    for number, row in enumerate(body):
        if number:
            console.print()
        cells = [(name, cell) for name, cell in zip(header, row, strict=True) if cell]
        console.print(_grid(None, cells))


def _grid(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> "Table":
    """A table without lines; columns of single words are not broken."""
    from rich.table import Table
    from rich.text import Text

    lines = [*([header] if header else []), *rows]
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, _GAP, 0, 0),
        header_style="bold",
        show_header=header is not None,
    )
    for column in zip(*lines, strict=True):
        breakable = any(" " in cell for cell in column) or header is None
        table.add_column(Text(column[0]), overflow="fold", no_wrap=not breakable)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def print_markdown(text: str) -> None:
    """Print Markdown: laid out on a terminal, else as it is."""
    if not sys.stdout.isatty():
        print_text(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    # Without hyperlinks: a link is printed with the address that it leads to.
    Console().print(Markdown(shown(text), hyperlinks=False))
