"""The page of all figures."""

from pathlib import Path

import pytest

from stages.registry.figures_page import figures_page
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
