"""The measurement of `pneumonia serve` runs, and finds equal answers to the last bit."""

import re
from pathlib import Path

import pytest

from stages.registry.champion import find_champion
from tests.bench import predict, serving
from tests.workspace import Workspace


@pytest.mark.slow
def test_the_champion_answers_as_mlflow_and_a_bare_loop_do(
    copied: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "champion" not in copied.run("pneumonia", "model", "list").stdout:
        copied.run("pneumonia", "promote")
    images = predict.extract(copied, tmp_path / "images")[:20]
    with find_champion(copied.folder, "pneumonia", None) as champion:
        serving.report(champion.package, [Path(image) for image in images], rounds=1)
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| ")]
    cells = r" \| (1|16) \| \d+\.\d \| \d+ \| \d+ \| 0\.\d{4} \|"
    assert all(re.fullmatch(rf"\| (pneumonia|mlflow models) serve{cells}", row) for row in rows[1:])
    assert len(rows) == 5
    assert printed.count(": 0 answers differ from the bare loop's") == 4
