"""The training loop on one device, on two devices of one process, and in two processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def start(mode: str, network: str, folder: Path, **more: str) -> "subprocess.Popen[str]":
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.network.distributed", mode, network, str(folder)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR", **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def result(folder: Path, task: int = 0) -> list[Any]:
    """Return the history, (epochs, quantities), and the kept weights."""
    with np.load(folder / f"{task}.npz") as stored:
        return [stored[name] for name in stored.files]


def test_two_separate_processes_train_to_the_same_bits(tmp_path: Path) -> None:
    finished(start("one", "compact", tmp_path / "a", PYTHONHASHSEED="1", TZ="UTC"))
    finished(start("one", "compact", tmp_path / "b", PYTHONHASHSEED="2", TZ="Asia/Tokyo"))
    for a, b in zip(result(tmp_path / "a"), result(tmp_path / "b"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_two_devices_train_like_one(tmp_path: Path) -> None:
    finished(start("one", "plain", tmp_path / "one"))
    finished(start("mirrored", "plain", tmp_path / "two"))
    for ours, theirs in zip(result(tmp_path / "two"), result(tmp_path / "one"), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_two_cooperating_processes_train_like_one(tmp_path: Path) -> None:
    with socket.socket() as first, socket.socket() as second:
        for held in (first, second):
            held.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{held.getsockname()[1]}" for held in (first, second)]
    processes = [
        start(
            "worker",
            "compact",
            tmp_path,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": workers}, "task": {"type": "worker", "index": task}}
            ),
        )
        for task in (0, 1)
    ]
    try:
        for process in processes:
            finished(process)
    finally:
        for process in processes:
            process.kill()
    for chief, other in zip(result(tmp_path, 0), result(tmp_path, 1), strict=True):
        np.testing.assert_array_equal(chief, other)  # both workers agree to the bit
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2  # only the chief writes them

    finished(start("one", "compact", tmp_path / "one"))
    history, expected = result(tmp_path)[0], result(tmp_path / "one")[0]
    np.testing.assert_allclose(history[:, 1], expected[:, 1], atol=1e-3)  # the loss
