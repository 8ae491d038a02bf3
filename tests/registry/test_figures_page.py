"""The page of all figures."""

from pathlib import Path

from stages.registry.figures_page import page
from tests.registry import fake


def test_every_figure_is_there_with_its_interval(files: Path) -> None:
    shown = page(fake.record(files))
    for text in ("<th>test</th><th>val</th>", "Synthetic images: says nothing about patients.",
                 "<td>auroc</td><td>0.950 (0.930 to 0.970)</td><td>0.960 (0.940 to 0.980)</td>",
                 "<td>images</td><td>2</td><td>2</td>", "colspan=\"3\">screening</th>",
                 "<td>sensitivity</td><td>0.970 (0.950 to 0.990)</td><td></td>"):  # fmt: skip
        assert text in shown
    assert page(fake.record(files)) == shown


def test_a_name_from_the_data_is_shown_as_text(files: Path) -> None:
    (files / "validation.json").write_text('{"val": {"series": {"<b>": {"images": 3}}}}')
    fake.write_checksums(files)
    assert "series, &lt;b&gt;" in page(fake.record(files))
