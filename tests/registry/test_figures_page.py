"""The page of all figures."""

from pathlib import Path

import pytest

from stages.engine.files import write_json
from stages.metrics.pages.text import markdown_text
from stages.registry.description import describe_run
from stages.registry.figures_page import figures_page
from stages.registry.run_metrics import charted
from tests.registry import fake


@pytest.mark.parametrize(
    "expected",
    [
        "<th>test</th><th>val</th>",
        "Synthetic images: says nothing about patients.",
        "<td>auroc</td><td>0.950 (0.930 to 0.970)</td><td>0.960 (0.940 to 0.980)</td>",
        "<td>images</td><td>2</td><td>2</td>",
        'colspan="3">screening</th>',
        "<td>sensitivity</td><td>0.970 (0.950 to 0.990)</td><td></td>",
    ],
)
def test_the_page_has_every_figure_with_its_interval(files: Path, expected: str) -> None:
    page = figures_page(fake.record(files))
    assert expected in page
    assert figures_page(fake.record(files)) == page


def test_a_name_from_the_data_is_escaped(files: Path) -> None:
    (files / "validation.json").write_text('{"val": {"series": {"<b>": {"images": 3}}}}')
    fake.write_checksums(files)
    assert "series, &lt;b&gt;" in figures_page(fake.record(files))


REFUSALS = {
    "share": {"value": 0.03, "low": 0.01, "high": 0.05},
    "negative": {"value": 0.01, "low": 0.0, "high": 0.02},
    "positive": {"value": 0.05, "low": 0.02, "high": 0.08},
    "difference": {"value": 0.04, "low": 0.01, "high": 0.07},
    "counts": {"negative": 1, "positive": 5},
}


def test_refused_positives_are_a_finding_on_the_pages_of_a_run(files: Path) -> None:
    assert "Finding." not in figures_page(fake.record(files))
    write_json(files / "validation.json", {"external_<b>": {"images": 3, "refusals": REFUSALS}})
    fake.write_checksums(files)
    record = fake.record(files)
    page, text = figures_page(record), describe_run(record)
    assert "<strong>Finding.</strong> On external_&lt;b&gt;, more positive than negative" in page
    assert "<td>positive</td><td></td><td>0.050 (0.020 to 0.080)</td>" in page
    assert f"**Finding.** On {markdown_text('external_<b>')}, more positive than negative" in text
    cell = "0.050 (0.020 to 0.080) / 0.010 (0.000 to 0.020)"
    assert f"| refused (positive / negative) |  | {cell} |" in text
    assert charted(record.figures)["external_<b>/refused"] == 0.03
