"""Figures with their intervals, and Markdown tables, as text: one format wherever they are read.

What comes from outside, such as the name of an archive or an image, passes `markdown_text` or
`code_span` on its way into a page: it is shown as it is, and makes no link, picture or heading.
Imports little of the project, so that what only prints figures depends on no computation.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from stages.engine.printable import printable

# An underscore between letters or digits, as in val_matched, means nothing in Markdown. A colon
# is escaped where an address would become a link without further signs.
_MARKUP = re.compile(
    r"[\\`*\[\]<|~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=\bwww)\.|^(?=[#>])|^[-+](?=\s)"
)


class Interval(Protocol):
    """A value with the bounds of its interval."""

    @property
    def value(self) -> float:
        """The figure itself."""

    @property
    def low(self) -> float:
        """Lower bound of its interval."""

    @property
    def high(self) -> float:
        """Upper bound."""


def format_interval(
    value: float, low: float, high: float, *, decimals: int = 3, signed: bool = False
) -> str:
    """Format a value and its bounds, such as "0.953 (0.931 to 0.970)".

    Args:
        value: The figure itself.
        low: Lower bound of its interval.
        high: Upper bound.
        decimals: Digits after the point.
        signed: Whether positive numbers carry a plus sign, as differences do.
    """
    style = f"{'+' if signed else ''}.{decimals}f"
    return f"{value:{style}} ({low:{style}} to {high:{style}})"


def format_figure(figure: Mapping[str, float] | None, *, missing: str = "undefined") -> str:
    """Format a figure of metrics.json, {"value", "low", "high"}; `missing` where there is none."""
    if figure is None:
        return missing
    return format_interval(figure["value"], figure["low"], figure["high"])


def format_difference(difference: Interval | None) -> str:
    """Format a difference, such as "+0.012 (-0.003 to +0.027)"; empty where it is undefined."""
    if difference is None or not math.isfinite(difference.value):
        return ""
    return format_interval(difference.value, difference.low, difference.high, signed=True)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table in Markdown, without a line break at its end; cells are plain text."""
    lines = [list(map(markdown_text, line)) for line in (header, *rows)]
    lines.insert(1, ["---"] * len(header))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_text(text: str) -> str:
    """Return a text that a Markdown page shows as it is, on one line.

    Apply it once: applied twice, it shows its own escapes.
    """
    return _MARKUP.sub(lambda found: f"\\{found.group()}", printable(text))


def code_span(text: str) -> str:
    """Return a text as Markdown's code, such as `train/NORMAL/IM-0001-0001.jpeg`.

    Not for the cell of a table, where a | would end the cell.
    """
    text = printable(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    # Markdown takes one space off each end, so a backtick there needs one, and so does a space.
    space = " " if not text or {text[0], text[-1]} & {"`", " "} else ""
    return f"{fence}{space}{text}{space}{fence}"
