"""The measurement of `pneumonia predict` runs."""

import re
from pathlib import Path

import pytest

from tests.bench import predict
from tests.workspace import Workspace


@pytest.mark.slow
def test_a_row_has_all_three_and_what_is_above_tensorflow(
    copied: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "champion" not in copied.run("pneumonia", "model", "list").stdout:
        copied.run("pneumonia", "promote")
    images = predict.extract(copied, tmp_path / "images")
    predict.report(copied, images[:9], rounds=1)
    row = capsys.readouterr().out.strip()
    assert re.fullmatch(r"\| 9( \| \d+\.\d\d){3} \| [+-]\d+\.\d\d \| \d+\.\d\d \|", row), row
