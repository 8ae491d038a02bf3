"""Figures with their intervals, and Markdown tables, as text: one format wherever they are read.

Imports nothing of the project, so that what only prints figures depends on no computation.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


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
    """Format a table in Markdown, without a line break at its end."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
