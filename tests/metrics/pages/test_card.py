"""The model card, and all figures in Markdown."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from stages.engine.task import NOTHING, Task, complete
from stages.metrics.pages.all_figures import all_figures
from stages.metrics.pages.card import Subject, model_card
from stages.metrics.pages.refusals import refused_shares
from stages.metrics.pages.text import format_figure
from stages.sources import chest_tasks
from tests.metrics.pages.figures import METRICS, POINT, SOURCE, VALIDATION


def card(
    *,
    official: bool = True,
    task: Mapping[str, Any] = chest_tasks.KERMANY,
    first_weights: Mapping[str, Any] | None = None,
    **source: Any,
) -> str:
    manifest = {
        "digest": "d" * 64,
        "image_px": 128,
        "counts": {"train": {"negative": 3, "positive": 9, "patients": 7}},
        "test": "official" if official else "cut by patient",
    }
    described = {**SOURCE, "task": task, **source}
    words = complete(NOTHING, described)
    subject = Subject(manifest, described, words, POINT, 123456, first_weights)
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
        "about 45 looks",
        "Someone (2020)",
    ],
)
def test_the_card_has_what_a_reader_must_know(phrase: str) -> None:
    assert phrase in card()


WEIGHTS = {
    "name": "lite-weights",
    "version": "1.2",
    "file": "lite_weights/a.pth",
    "sha256": "5" * 64,
    "trained_on": "ImageNet",
    "licence": "not stated",
    "note": "a port",
}


def test_the_card_says_what_the_weights_were_at_first() -> None:
    assert "Initial weights: random." in card()
    text = card(first_weights=WEIGHTS)
    assert f"Initial weights: lite-weights 1.2, lite_weights/a.pth, sha256 {'5' * 64}." in text
    assert "Licence of these weights: not stated. Trained on: ImageNet." in text
    assert "Stated beside that: a port." in text
    assert "- Initial weights (lite-weights): not stated." in text
    local = card(first_weights={**WEIGHTS, "name": "local file", "version": None, "note": ""})
    assert "Initial weights: local file, " in local
    assert "Stated beside that" not in local


def test_the_card_of_own_images_says_what_nobody_has_stated() -> None:
    text = card(task={}, synthetic=False, citation="")
    assert "# Model card: positive or negative\n" in text
    for key in ("population", "reference", "use", "limits", "not_covered", "known", "citation"):
        assert f"Not stated (`task.{key}` in params.yaml)." in text
    assert not re.search("pneumonia|child|chest|lung|kermany|guangzhou", text, re.IGNORECASE)
    assert "not a medical device" in text


def test_the_card_has_the_words_of_params_before_those_of_the_source() -> None:
    changes = {"classes": ("intact", "fracture"), "population": "Adults, three hospitals.\n"}
    stated = NOTHING.model_copy(update=changes)
    words = complete(stated, {"task": chest_tasks.KERMANY})
    assert words.classes == ("intact", "fracture")
    assert words.population == "Adults, three hospitals."
    assert words.title == chest_tasks.KERMANY["title"]


def test_phantoms_stand_for_the_real_images_and_claim_no_patient() -> None:
    text = card(task=chest_tasks.PHANTOM, synthetic=True)
    assert "synthetic chest X-rays" in text
    assert "Nothing that holds for phantoms need hold for patients" in text
    assert "rscbjbr9sj.2" in text


def test_synthetic_data_and_a_test_split_that_we_cut_are_named_as_such() -> None:
    assert "computer-made phantoms" in card()
    assert "computer-made phantoms" not in card(synthetic=False)
    assert "in-distribution" not in card()
    assert "in-distribution" in card(official=False)


SEVERAL: dict[str, Any] = {
    "name": "archive",
    "synthetic": True,
    "sources": [
        {**SOURCE, "name": "lyon", "use": "train", "data": "archive", "synthetic": False}
        | {"licence": "of Lyon", "version": "", "sha256": "1" * 64, "file": "lyon.zip"},
        {**SOURCE, "name": "drawn", "use": "judge", "data": "phantom"},
    ],
}


def test_several_sources_are_all_named_with_licence_and_use() -> None:
    text = card(**SEVERAL)
    assert "Source: lyon (archive lyon.zip), drawn (phantom 1, judge only)" in text
    assert "- Data of this model (lyon): of Lyon." in text
    assert "- Data of this model (drawn): Apache-2.0." in text
    assert "**Partly synthetic data.** The images of drawn are computer-made phantoms." in text
    assert "It has never seen a patient's image" not in text


def test_figures_by_source_have_a_table_of_their_own() -> None:
    assert "Figures by source" not in card()
    parts = {"lyon": METRICS["test"], "paris": {"images": 3, "patients": 2, "prevalence": 1.0}}
    metrics = {"test": {**METRICS["test"], "sources": parts}}
    text = all_figures(metrics, {}, POINT, Task())
    auroc = format_figure(METRICS["test"]["auroc"])
    counts = f"{METRICS['test']['images']} ({METRICS['test']['patients']})"
    refused = refused_shares(METRICS["test"])
    assert f"| test | lyon | {counts} | {refused} | {auroc} |" in text
    assert "| test | paris | 3 (2) | undefined | undefined |" in text


def test_a_table_row_has_as_many_cells_as_its_header() -> None:
    for block in (part for part in card().split("\n\n") if part.startswith("|")):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_a_figure_that_is_left_out_is_undefined() -> None:
    without = {"test": {name: f for name, f in METRICS["test"].items() if name != "ppv"}}
    assert "| Positive predictive value | undefined |" in all_figures(without, {}, POINT, Task())


@pytest.mark.parametrize(
    ("sha256", "pinned", "said"),
    [
        ("1" * 64, True, f"sha256 `{'1' * 64}`"),
        ("", True, "(made by code and params)"),
        ("2" * 64, False, f"sha256 `{'2' * 64}`"),
        ("", False, "(not pinned by a checksum)"),
    ],
)
def test_the_card_says_what_pins_the_images(sha256: str, pinned: bool, said: str) -> None:
    assert said in card(sha256=sha256, pinned=pinned)


def test_the_card_says_how_the_decision_was_carried_over_and_what_it_does_to_probabilities() -> (
    None
):
    plain = all_figures(METRICS, VALIDATION, POINT, Task())
    carried = {**POINT, "sensitivity": 0.925, "shift": 1.25}
    text = all_figures(METRICS, VALIDATION, carried, Task())
    for phrase in ("The decision finds 92.5% of the validation images", "logits were 1.25 higher"):
        assert phrase in text
        assert phrase not in plain
    assert "logits were" not in all_figures(METRICS, {}, {**carried, "shift": 0.0}, Task())
