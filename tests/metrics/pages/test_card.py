"""The model card, and all figures in Markdown."""

from typing import Any

import pytest

from stages.metrics.pages.all_figures import all_figures
from stages.metrics.pages.card import Subject, model_card
from stages.metrics.pages.text import format_figure
from tests.metrics.pages.figures import METRICS, POINT, SOURCE, VALIDATION


def card(*, official: bool = True, **source: Any) -> str:
    manifest = {
        "digest": "d" * 64,
        "image_px": 128,
        "counts": {"train": {"normal": 3, "pneumonia": 9, "patients": 7}},
        "test": "official" if official else "cut by patient",
    }
    subject = Subject(manifest, {**SOURCE, **source}, POINT, parameters=123456)
    return model_card(METRICS, VALIDATION, subject)


def test_every_figure_on_the_card_comes_from_the_report() -> None:
    text = card()
    for tree in (METRICS["test"], VALIDATION["val"]):
        for name in ("auroc", "ppv", "mcc", "ece"):
            assert format_figure(tree[name]) in text
        assert format_figure(tree["calibration"]["at_prior"]["slope"]) in text
        assert format_figure(tree["baselines"]["frame"]["auroc"]) in text
    assert format_figure(METRICS["test"]["screening"]["specificity"]) in text
    assert format_figure(METRICS["test"]["kind"]["viral"]["sensitivity"]) in text
    assert "123,456 parameters" in text


@pytest.mark.parametrize(
    "phrase",
    [
        "not a diagnosis",
        "1 to 5 years",
        "one hospital",
        "Apache-2.0",
        "CC BY 4.0",
        "rscbjbr9sj.2",
        "Not covered",
        "about forty looks",
        "Someone (2020)",
    ],
)
def test_the_card_has_what_a_reader_must_know(phrase: str) -> None:
    assert phrase in card()


def test_synthetic_data_and_a_test_split_that_we_cut_are_named_as_such() -> None:
    assert "computer-made phantoms" in card()
    assert "computer-made phantoms" not in card(synthetic=False)
    assert "in-distribution" not in card()
    assert "in-distribution" in card(official=False)


def test_a_table_row_has_as_many_cells_as_its_header() -> None:
    for block in (part for part in card().split("\n\n") if part.startswith("|")):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_a_figure_that_is_left_out_is_undefined() -> None:
    without = {"test": {name: f for name, f in METRICS["test"].items() if name != "ppv"}}
    assert "| Positive predictive value | undefined |" in all_figures(without, {}, POINT)
