from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.metrics.pages.card import Facts, card
from stages.metrics.pages.tables import BEGIN, END, results_table, splice
from stages.metrics.pages.text import format_figure
from stages.metrics.report import report
from tests.metrics.sample_images import OPTIONS, POINTS, make

SOURCE = {
    "name": "phantom",
    "version": "1",
    "licence": "Apache-2.0",
    "citation": "Someone (2020)",
    "sha256": "",
    "pinned": True,
    "synthetic": True,
    "images": 100,
    "file": "",
}


def figures(seed: int) -> dict[str, Any]:
    records, probability = make(seed, 30, 40)
    shadow = {"frame": np.round(1 - probability, 1), "shape": np.full(len(records), 0.6)}
    tree: dict[str, Any] = report(
        records.assign(role="x"), probability, POINTS, OPTIONS, prior=0.5, baselines=shadow
    )
    return tree


def facts(*, official: bool = True, **source: Any) -> Facts:
    manifest = {
        "digest": "d" * 64,
        "image_px": 128,
        "counts": {"train": {"normal": 3, "pneumonia": 9, "patients": 7}},
        "test": "official" if official else "cut by patient",
    }
    point = {"thresholds": POINTS, "prior": 0.5, "fitted_on": ["val"]}
    return Facts(manifest, {**SOURCE, **source}, point, parameters=123456)


METRICS, VALIDATION = {"test": figures(1)}, {"val": figures(2)}


def test_every_figure_on_the_card_comes_from_the_report() -> None:
    text = card(METRICS, VALIDATION, facts())
    for tree in (METRICS["test"], VALIDATION["val"]):
        for name in ("auroc", "ppv", "mcc", "ece"):
            assert format_figure(tree[name]) in text
        assert format_figure(tree["calibration"]["at_prior"]["slope"]) in text
        assert format_figure(tree["baselines"]["frame"]["auroc"]) in text
    assert format_figure(METRICS["test"]["screening"]["specificity"]) in text
    assert format_figure(METRICS["test"]["kind"]["viral"]["sensitivity"]) in text
    assert "123,456 parameters" in text


def test_the_card_says_what_a_reader_must_know() -> None:
    text = card(METRICS, VALIDATION, facts())
    for phrase in (
        "not a diagnosis", "1 to 5 years", "one hospital", "Apache-2.0", "CC BY 4.0",
        "rscbjbr9sj.2", "Not covered", "about forty looks", "Someone (2020)",
    ):  # fmt: skip
        assert phrase in text


def test_synthetic_data_and_a_test_that_we_cut_are_named_as_such() -> None:
    assert "computer-made phantoms" in card(METRICS, VALIDATION, facts())
    assert "computer-made phantoms" not in card(METRICS, VALIDATION, facts(synthetic=False))
    assert "in-distribution" not in card(METRICS, VALIDATION, facts())
    assert "in-distribution" in card(METRICS, VALIDATION, facts(official=False))


def test_a_table_row_has_as_many_cells_as_its_head() -> None:
    tables = card(METRICS, VALIDATION, facts()).split("\n\n")
    for block in (part for part in tables if part.startswith("|")):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_an_undefined_figure_is_called_so() -> None:
    without = {"test": {name: f for name, f in METRICS["test"].items() if name != "ppv"}}
    assert "| Positive predictive value | undefined |" in card(without, {}, facts())


def test_results_show_the_best_baseline_and_the_synthetic_line() -> None:
    text = results_table(METRICS, VALIDATION, facts().source)
    best = METRICS["test"]["baselines"]["shape"]["auroc"]
    assert f"{format_figure(best)}, image size and shape alone" in text
    assert "computer-made phantoms" in text
    assert format_figure(VALIDATION["val"]["specificity"]) in text


def test_splicing_replaces_what_stands_between_the_markers() -> None:
    readme = f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    once = splice(readme, "| new |")
    assert once == f"before\n\n{BEGIN}\n\n| new |\n\n{END}\n\nafter\n"
    assert splice(once, "| new |") == once


@pytest.mark.parametrize("text", ["none", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_markers_that_are_missing_or_doubled_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="results:begin"):
        splice(text, "table")
