"""Params, tags and pages on MLflow's store show what comes from outside as text."""

import pytest

from stages.registry.circumstances import circumstance_tags
from stages.registry.figures_page import _text
from stages.registry.text import plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "none"),
        (True, "yes"),
        ([1, "a", None], "1, a, none"),
        ("Ärztin", "Ärztin"),
        (["\x1b[2J", "\u202ex"], r"\x1b[2J, \u202ex"),
    ],
)
def test_a_value_is_printable_text(value: object, expected: str) -> None:
    assert plain(value) == expected


def test_circumstances_are_printable() -> None:
    tags = circumstance_tags({"train": {"user": "a\x1bb\n", "dvc_experiment": "\u202ex"}})
    assert tags["mlflow.user"] == r"a\x1bb\n"
    assert all(value.isprintable() for value in tags.values())


def test_a_heading_of_the_page_of_figures_is_text() -> None:
    assert _text("<b>a_b</b>\u202e&") == r"&lt;b&gt;a b&lt;/b&gt;\u202e&amp;"
