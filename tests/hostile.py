"""Names and texts that a terminal, a page or a spreadsheet would obey, and checks for traces."""

import csv
import html.parser
from pathlib import Path

from markdown_it import MarkdownIt

from stages.engine.printable import is_printable

FORMULA = "=cmd|' /C calc'!A0"
TEXTS = (
    FORMULA,
    "-5",
    "+1+1",
    "@SUM(A1)",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b2Jcsi",
    "gpj\u202egnp.exe",
    "zero\u200bwidth\u3164",
    "two\nlines\rand\u2028more",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "<http://evil.example>",
    "a | b |",
    "`code` ``two`` `",
    "**bold** _em_ ~~gone~~",
    "# heading",
    "> quote",
    "- item",
    "[red]rich[/red]",
    "&lt;entity&#60;",
    "back\\slash\\",
    "'quoted",
    "lone\udcffsurrogate",
)
_LIVE = {"script", "img", "a", "em", "s", "iframe", "svg"}


def unprintable(text: str) -> str:
    """Return the characters of a text of several lines that should have been escaped."""
    return "".join(
        character for character in text if character not in "\n\t" and not is_printable(character)
    )


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append(" ".join([tag, *(f"{name}={value}" for name, value in attributes)]))

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(page: str) -> tuple[list[str], str]:
    """Return the tags, with attributes, and the visible text of a Markdown page."""
    parser = _Tags()
    parser.feed(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(page))
    return parser.found, parser.text


def live_markup(page: str) -> list[str]:
    """Return the tags of a Markdown page that can do harm or that no page of ours has."""
    return [tag for tag in rendered(page)[0] if tag.split()[0] in _LIVE]


def formulas(path: Path) -> list[str]:
    """Return the cells of a CSV file that a spreadsheet may run."""
    with path.open(newline="", encoding="utf-8") as handle:
        return [
            cell
            for row in csv.reader(handle)
            for cell in row
            if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not _is_number(cell)
        ]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
