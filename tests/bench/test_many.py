"""The measurement of many images runs, with what growth takes."""

import subprocess
import sys

import pytest

from tests.workspace import ROOT


@pytest.mark.slow
def test_both_stages_are_measured_before_and_after_growth() -> None:
    command = [sys.executable, "-m", "tests.bench.many", "600", "900", "--grow", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split(" | ")[:2] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows == [
        ["| Images", "Stage"],
        *(
            [f"| {title}", stage]
            for title, stage in [
                ("600", "fetch"),
                ("600", "preprocess"),
                ("606, 6 of them new", "fetch"),
                ("606, 6 of them new", "preprocess"),
                ("900", "fetch"),
                ("900", "preprocess"),
                ("909, 9 of them new", "fetch"),
                ("909, 9 of them new", "preprocess"),
            ]
        ),
        ["| Images", "Stage"],
        ["| 600 to 900", "fetch"],
        ["| 600 to 900", "preprocess"],
    ]
