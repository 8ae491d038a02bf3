"""Figures and tables as text."""

import math

import pytest

from stages.engine.printable import printable
from stages.metrics.intervals import Figure
from stages.metrics.pages.text import (
    code_span,
    format_difference,
    format_figure,
    format_interval,
    markdown_table,
    markdown_text,
)
from tests.hostile import TEXTS, rendered, unprintable


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


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_from_outside_is_shown_as_it_is(text: str) -> None:
    shown = printable(text)
    for page in (f"Source: {markdown_text(text)}.", f"- Source: {code_span(text)}."):
        tags, visible = rendered(page)
        assert not {*tags} - {"p", "ul", "li", "code"}
        assert visible.strip() == f"Source: {shown}."
        assert not unprintable(page)
    assert rendered(markdown_text(text)) == (["p"], f"{shown}\n")


@pytest.mark.parametrize("text", TEXTS)
def test_a_cell_stays_a_cell(text: str) -> None:
    tags, visible = rendered(markdown_table(["a", "b"], [[text, "2"]]))
    assert tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert visible.split("\n")[-6:-4] == [printable(text).strip(), "2"]


@pytest.mark.parametrize("text", ["val_matched", "+0.012 (-0.003 to +0.020)", "a.b/c_d-1.jpeg, 5%"])
def test_ordinary_text_has_no_escapes(text: str) -> None:
    assert markdown_text(text) == text
    assert code_span(text) == f"`{text}`"
