"""Figures and tables as text."""

import math

from stages.metrics.intervals import Figure
from stages.metrics.pages.text import (
    format_difference,
    format_figure,
    format_interval,
    markdown_table,
)


def test_a_figure_has_three_decimals_and_its_interval() -> None:
    assert format_figure({"value": 0.95, "low": 0.9312, "high": 1}) == "0.950 (0.931 to 1.000)"
    assert format_interval(0.95, 0.9, 1, decimals=4) == "0.9500 (0.9000 to 1.0000)"


def test_a_missing_figure_is_undefined_unless_the_caller_has_another_word() -> None:
    assert format_figure(None) == "undefined"
    assert format_figure(None, missing="-") == "-"


def test_a_difference_has_its_sign() -> None:
    assert format_difference(Figure(0.0121, -0.003, 0.02)) == "+0.012 (-0.003 to +0.020)"
    assert format_difference(Figure(0.0, 0.0, 0.0)) == "+0.000 (+0.000 to +0.000)"
    undefined = Figure(math.nan, math.nan, math.nan)
    assert format_difference(undefined) == format_difference(None) == ""


def test_a_table_has_a_rule_below_its_header() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
