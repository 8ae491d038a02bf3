"""Tables and Markdown on stdout: laid out on a terminal, plain text when piped."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence


def print_rows(rows: Sequence[Mapping[str, str]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a table, or as a JSON list of objects.

    Args:
        rows: Cells by column; one that is not there is empty.
        columns: The columns of the table, in their order.
        as_json: Print JSON, with all that the rows hold.
    """
    if as_json:
        print(json.dumps([dict(row) for row in rows], indent=2))
    else:
        print_table(columns, [[row.get(name, "") for name in columns] for row in rows])


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: with aligned columns on a terminal, else one line a row, tabs between cells.

    Where columns do not fit the terminal, their cells go on in further lines.
    """
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(_one_line(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_one_line(cell)) for cell in row))
    Console().print(table)


def print_markdown(text: str) -> None:
    """Print Markdown: laid out on a terminal, else as it is."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def _one_line(cell: str) -> str:
    """The text of a cell without tabs and line breaks, so that a row stays a row."""
    return " ".join(cell.split())
