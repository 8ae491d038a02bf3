"""The measurement of speed beside PyTorch runs, where an interpreter has it."""

import os
import subprocess
import sys

import pytest

from tests.bench.speed.__main__ import KINDS, NETWORKS, has_torch
from tests.workspace import ROOT

PYTHON = os.environ.get("TORCH_PYTHON", sys.executable)


@pytest.mark.slow
def test_each_network_is_measured_beside_the_same_in_pytorch() -> None:
    if not has_torch(PYTHON):
        pytest.skip(f"{PYTHON} has no PyTorch; name another interpreter in TORCH_PYTHON")
    command = [sys.executable, "-m", "tests.bench.speed", "--torch", PYTHON]
    command += ["--rounds", "1", "--repeats", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split(" | ")[:2] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[1:] == [[f"| {network}", kind] for network in NETWORKS for kind in KINDS]
