"""What determinism, digests and checkpoints add to training: `python -m tests.bench.overheads`.

Trains on data/shards, which must be there, in a copy of this tree: in each round once as shipped,
and once with threads as TensorFlow chooses them and no deterministic ops, in turns as to which goes
first. Determinism is told as the ratio of their images per second. The seconds inside digests and
checkpoints are clocked in the shipped training and told as shares of the rest of the stage.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stages.settings import paths
from tests.workspace import ROOT, Workspace, copy_tree

KINDS = ("shipped", "free")


def main() -> None:
    """Prepare, measure in rounds, print; or, as a child, be one training."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overheads")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        child(free=arguments.kind == "free")
        return
    if not (ROOT / paths.SHARDS / "manifest.json").exists():
        parser.error(f"{paths.SHARDS}: expected shards, found none; run `dvc repro preprocess`")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    ratios, shares = [], []
    with tempfile.TemporaryDirectory() as folder:
        workspace = tree(Path(folder), arguments.epochs)
        for number in range(arguments.rounds):
            order = KINDS if number % 2 == 0 else KINDS[::-1]
            told = {kind: measure(workspace, kind) for kind in order}
            shipped = told["shipped"]
            ratios.append(told["free"]["images_per_s"] / shipped["images_per_s"])
            rest = shipped["stage_s"] - shipped["digests_s"] - shipped["checkpoints_s"]
            shares.append([shipped["digests_s"] / rest, shipped["checkpoints_s"] / rest])
            rates = [f"{told[kind]['images_per_s']:.0f} images/s {kind}" for kind in KINDS]
            inside = [f"{kind} {shipped[f'{kind}_s']:.3f}" for kind in ("digests", "checkpoints")]
            print(
                f"round {number + 1}: {', '.join(rates)}; stage {shipped['stage_s']:.1f} s, of it "
                f"{', '.join(inside)}",
                flush=True,
            )
    determinism = statistics.median(ratios) - 1
    digests, checkpoints = (statistics.median(column) for column in zip(*shares, strict=True))
    print(f"determinism {determinism:+.1%} ({min(ratios) - 1:+.1%} to {max(ratios) - 1:+.1%})")
    print(f"digests {digests:+.2%}, checkpoints {checkpoints:+.2%}")
    print(f"in all {determinism + digests + checkpoints:+.1%} of training, median of the rounds")


def tree(folder: Path, epochs: int) -> Workspace:
    """A copy of this tree with its own params but for `epochs`, and its shards."""
    workspace = copy_tree(folder)
    (folder / paths.PARAMS).write_bytes((ROOT / paths.PARAMS).read_bytes())
    workspace.params({"train.epochs": epochs})
    shutil.copytree(ROOT / paths.SHARDS, folder / paths.SHARDS)
    return workspace


def measure(workspace: Workspace, kind: str) -> dict[str, float]:
    """Train from nothing in a process of its own; what its last line tells."""
    for left in (workspace.folder / ".cache", workspace.folder / paths.MODEL):
        shutil.rmtree(left, ignore_errors=True)
    said = workspace.run(sys.executable, "-m", __spec__.name, "--kind", kind, seconds=3600).stdout
    told: dict[str, float] = json.loads(said.splitlines()[-1])
    return told


def child(*, free: bool) -> None:
    """Be the stage `train`, with clocks on it and without its sidecar."""
    from stages import train
    from stages.engine import checksums, devices, files, journal, sidecar
    from stages.network import checkpoints
    from stages.settings import digests

    @contextlib.contextmanager
    def nobody(_: str) -> Iterator[Callable[[Any], None]]:
        yield lambda _: None

    spent = dict.fromkeys(("digests", "checkpoints"), 0.0)
    busy = False

    def clocked(kind: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*args: Any, **named: Any) -> Any:
            nonlocal busy
            if busy:  # what calls this has its clock running
                return inner(*args, **named)
            busy, began = True, time.perf_counter()
            try:
                return inner(*args, **named)
            finally:
                busy = False
                spent[kind] += time.perf_counter() - began

        return outer

    told: dict[str, float] = {}
    _replace(files.sha256_file, clocked("digests", files.sha256_file))
    _replace(digests.training_digest, clocked("digests", digests.training_digest))
    _replace(checksums.write, clocked("digests", checksums.write))
    for function in (checkpoints.save, checkpoints.latest, checkpoints.clean_others):
        _replace(function, clocked("checkpoints", function))
    _replace(sidecar.sidecar, nobody)
    _replace(journal.record, lambda *_, **speed: told.update(speed))
    if free:
        _replace(devices.configure, lambda _: None)
    began = time.perf_counter()
    train.main()
    told["stage_s"] = time.perf_counter() - began
    print(json.dumps(told | {f"{kind}_s": seconds for kind, seconds in spent.items()}))


def _replace(function: Callable[..., Any], other: Callable[..., Any]) -> None:
    """Put `other` wherever a module of the project holds `function`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("stages"):
            for key, value in list(vars(module).items()):
                if value is function:
                    setattr(module, key, other)


if __name__ == "__main__":
    main()
