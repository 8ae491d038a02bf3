"""The README's table of results, and the titles of figures."""

import pytest

from stages.engine.errors import InputError
from stages.metrics.pages.results import BEGIN, END, results_table, splice
from stages.metrics.pages.text import format_figure
from stages.metrics.pages.titles import CHARTED, HEADLINES, TITLES
from tests.metrics.pages.figures import METRICS, SOURCE, VALIDATION


def test_results_have_the_best_baseline_and_the_synthetic_line() -> None:
    text = results_table(METRICS, VALIDATION, SOURCE)
    best = METRICS["test"]["baselines"]["shape"]["auroc"]
    assert f"{format_figure(best)}, image size and shape alone" in text
    assert "computer-made phantoms" in text
    assert format_figure(VALIDATION["val"]["specificity"]) in text


def test_every_figure_at_the_top_of_a_report_has_a_title() -> None:
    tree = METRICS["test"]
    figures = {name for name, inner in tree.items() if isinstance(inner, dict) and "low" in inner}
    assert figures == set(TITLES), "add the new figure's title to stages/metrics/pages/titles.py"
    assert {*HEADLINES, *CHARTED} <= set(TITLES)


def test_splicing_replaces_what_stands_between_the_marks() -> None:
    readme = f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    once = splice(readme, "| new |")
    assert once == f"before\n\n{BEGIN}\n\n| new |\n\n{END}\n\nafter\n"
    assert splice(once, "| new |") == once


@pytest.mark.parametrize("text", ["none", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_marks_that_are_missing_or_doubled_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="results:begin"):
        splice(text, "table")
