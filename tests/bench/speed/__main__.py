"""Images/s of each network, here and in PyTorch: `python -m tests.bench.speed --torch PYTHON`.

PYTHON is an interpreter that has PyTorch, of an environment of its own: this project has no package
of it. Both halves stay in memory and take turns, so that what else the machine does falls on both.
Equal work: the same layers and threads, a training step of 32 crops of 128 px (forward, backward,
AdamW without averaging), and the logits of 8 images of 160 px. The ratio is of the medians of
processor time, which a busy machine moves less than the clock; yet PyTorch's threads wait for each
other by turning idle, which counts as work, so that on a busy machine one thread is the fair case.
Both are held to the instructions that this project allows itself; --free leaves PyTorch all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Collection
from typing import Any

from stages.engine import kernels
from tests.workspace import ROOT

NETWORKS = ("compact", "EfficientNetLite0")
KINDS = {"train": 32, "predict": 8}
"""Images of one repeat."""

SIZES = {"batch": 32, "crop_px": 128, "image_px": 160}
COLUMNS = ("Network", "Task", "images/s", "PyTorch", "per processor second", "PyTorch", "ratio")


class Half:
    """One of the two programs, which answers tasks."""

    def __init__(self, *command: str, without: Collection[str] = ()) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in without},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version: str = self._read()["version"]

    def ask(self, **task: Any) -> dict[str, float]:
        """Return its answer to a task."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                read: dict[str, Any] = json.loads(line)
                return read
        raise SystemExit("a half ended before it answered; what it printed is above")

    def close(self) -> None:
        """End the program."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def row(halves: list[Half], network: str, kind: str, rounds: int, repeats: int) -> str:
    """Measure both halves in turns; return a row of the table."""
    answers: list[list[dict[str, float]]] = [[], []]
    for _ in range(rounds):
        for half, found in zip(halves, answers, strict=True):
            found.append(half.ask(network=network, kind=kind, repeats=repeats, **SIZES))
    counts = {each["parameters"] for found in answers for each in found}
    if len(counts) != 1:
        raise SystemExit(f"{network}: expected one number of parameters, received {counts}")
    images = KINDS[kind] * repeats
    clock, processor = (
        [images / statistics.median(each[key] for each in found) for found in answers]
        for key in ("seconds", "processor_s")
    )
    cells = [f"{rate:.0f}" for rate in (*clock, *processor)]
    return f"| {network} | {kind} | {' | '.join(cells)} | {processor[0] / processor[1]:.2f} |"


def has_torch(python: str) -> bool:
    """Whether an interpreter can import PyTorch."""
    done = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    return done.returncode == 0


def main() -> None:
    """Print one row per network and task."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.speed", description=__doc__)
    parser.add_argument("--torch", required=True, metavar="PYTHON", help="it has PyTorch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--free", action="store_true", help="let PyTorch use every instruction")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="in each round")
    arguments = parser.parse_args()
    if not has_torch(arguments.torch):
        parser.error(f"--torch: {arguments.torch} can't import torch")
    threads = str(arguments.threads)
    kept_from = kernels.limits() if arguments.free else ()
    halves = [
        Half(sys.executable, "-m", "tests.bench.speed.keras_half", threads),
        Half(arguments.torch, "-m", "tests.bench.speed.torch_half", threads, without=kept_from),
    ]
    try:
        load = os.getloadavg()[0]
        versions = " and ".join(half.version for half in halves)
        print(f"{versions}, threads: {threads}, load {load:.1f} on {os.cpu_count()} cores\n")
        print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
        for network in NETWORKS:
            for kind in KINDS:
                print(row(halves, network, kind, arguments.rounds, arguments.repeats), flush=True)
    finally:
        for half in halves:
            half.close()


if __name__ == "__main__":
    main()
