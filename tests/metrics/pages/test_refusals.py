"""What pages say of refused images."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.engine.task import Task
from stages.metrics.pages.all_figures import all_figures
from stages.metrics.pages.refusals import refusal_findings, refusals_section, refused_shares
from stages.metrics.pages.results import results_table
from stages.metrics.pages.text import format_figure
from stages.metrics.trees import read_figures
from tests.metrics.pages.figures import METRICS, POINT, SOURCE, VALIDATION, figures

MORE_POSITIVES = {"val_matched": figures(3, positives=0.4)}


def test_the_refused_shares_of_both_classes_are_on_every_page() -> None:
    refusals = METRICS["test"]["refusals"]
    cell = f"{format_figure(refusals['positive'])} / {format_figure(refusals['negative'])}"
    assert f"| Refused (positive / negative) | {cell} |" in results_table(
        METRICS, VALIDATION, SOURCE
    )
    for page in (all_figures(METRICS, VALIDATION, POINT, Task()), refusals_section(METRICS)):
        assert f"| {format_figure(refusals['positive'])}, 3 of 104 |" in page
        assert f"| {format_figure(refusals['negative'])}, 3 of 74 |" in page
        assert f"| {format_figure(refusals['share'])}, 6 of 178 |" in page
        assert format_figure(METRICS["test"]["answered"]["sensitivity"]) in page
    assert "a refused image counts as decided wrongly" in results_table(METRICS, VALIDATION, SOURCE)


def test_refusing_more_positives_is_a_finding_on_every_page() -> None:
    text = "On val_matched, more positive than negative images are refused"
    pages = (
        results_table(METRICS, MORE_POSITIVES, SOURCE),
        all_figures(METRICS, MORE_POSITIVES, POINT, Task()),
    )
    for page in pages:
        assert f"**Finding.** {text}" in page
    assert len(refusal_findings(METRICS | MORE_POSITIVES)) == 1


@pytest.mark.parametrize(
    ("low", "finding"), [(0.001, True), (0.0, False), (-0.001, False), (None, False)]
)
def test_a_finding_needs_the_whole_interval_above_0(low: float | None, finding: bool) -> None:
    tree = copy.deepcopy(METRICS["test"])
    gap = {"value": 0.1, "low": low, "high": 0.2}
    tree["refusals"]["difference"] = gap if low is not None else {}
    assert bool(refusal_findings({"test": tree})) is finding


def test_refusing_more_negatives_is_no_finding() -> None:
    assert not refusal_findings({"val": figures(3, positives=0.0)})


def test_figures_of_an_earlier_version_have_no_refused_shares() -> None:
    earlier = {key: inner for key, inner in METRICS["test"].items() if key != "refusals"}
    assert refused_shares(earlier, missing="") == ""
    assert refusal_findings({"test": earlier}) == []


def test_figures_of_an_earlier_version_are_not_read_as_these(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(METRICS))
    assert read_figures(path) == METRICS
    earlier = {"test": {key: v for key, v in METRICS["test"].items() if key != "refusals"}}
    contents: list[Any] = [earlier, []]
    for content in contents:
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match="an earlier version; run `dvc repro evaluate`"):
            read_figures(path)
