"""The measurement of a batch runs, for both roads."""

import subprocess
import sys

import pytest

from tests.workspace import ROOT, Workspace


@pytest.mark.slow
@pytest.mark.parametrize("side", ["64", "300"])
def test_a_batch_and_a_bare_loop_are_measured(finished: Workspace, side: str) -> None:
    command = [sys.executable, "-m", "tests.bench.batch", "50", "--side", side]
    command += ["--model", str(finished.folder / "data/model/model.keras")]
    command += ["--params", str(finished.folder / "params.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split(" | ")[:2] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows == [["| Images", "Road"], ["| 50", "batch"], ["| 50", "bare"]]
