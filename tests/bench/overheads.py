"""Measure what determinism, digests and checkpoints cost: `python -m tests.bench.overheads`.

Trains on data/shards, which must exist, in a copy of this tree. Each round trains twice, in
alternating order: as shipped, and "free", with TensorFlow's own choice of threads and without
deterministic ops. The cost of determinism is the ratio of their images per second. The seconds in
digests and checkpoints are measured in the shipped training, as shares of the rest of the stage.
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
    """Measure in rounds and print; with --kind, run one training."""
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
            found = {kind: measure(workspace, kind) for kind in order}
            shipped = found["shipped"]
            ratios.append(found["free"]["images_per_s"] / shipped["images_per_s"])
            rest = shipped["stage_s"] - shipped["digests_s"] - shipped["checkpoints_s"]
            shares.append([shipped["digests_s"] / rest, shipped["checkpoints_s"] / rest])
            rates = [f"{found[kind]['images_per_s']:.0f} images/s {kind}" for kind in KINDS]
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
    """Return a copy of this tree and its shards, with its own params except `epochs`."""
    workspace = copy_tree(folder)
    (folder / paths.PARAMS).write_bytes((ROOT / paths.PARAMS).read_bytes())
    workspace.params({"train.epochs": epochs})
    shutil.copytree(ROOT / paths.SHARDS, folder / paths.SHARDS)
    return workspace


def measure(workspace: Workspace, kind: str) -> dict[str, float]:
    """Train from the start in a process of its own; return its figures."""
    for left in (workspace.folder / ".cache", workspace.folder / paths.MODEL):
        shutil.rmtree(left, ignore_errors=True)
    command = (sys.executable, "-m", __spec__.name, "--kind", kind)
    lines = workspace.run(*command, seconds=3600).stdout.splitlines()
    figures: dict[str, float] = json.loads(lines[-1])
    return figures


def child(*, free: bool) -> None:
    """Run the stage `train` without its sidecar and measure parts of it."""
    from stages import train
    from stages.engine import checksums, devices, files, journal, sidecar
    from stages.network import checkpoints
    from stages.settings import digests

    @contextlib.contextmanager
    def no_sidecar(_: str) -> Iterator[Callable[[Any], None]]:
        yield lambda _: None

    spent = dict.fromkeys(("digests", "checkpoints"), 0.0)
    busy = False

    def timed(kind: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*args: Any, **named: Any) -> Any:
            nonlocal busy
            if busy:  # the caller is already timed
                return inner(*args, **named)
            busy, started = True, time.perf_counter()
            try:
                return inner(*args, **named)
            finally:
                busy = False
                spent[kind] += time.perf_counter() - started

        return outer

    figures: dict[str, float] = {}
    _replace(files.sha256_file, timed("digests", files.sha256_file))
    _replace(digests.training_digest, timed("digests", digests.training_digest))
    _replace(checksums.write, timed("digests", checksums.write))
    for function in (checkpoints.save, checkpoints.latest, checkpoints.clean_others):
        _replace(function, timed("checkpoints", function))
    _replace(sidecar.sidecar, no_sidecar)
    _replace(journal.record, lambda *_, **speed: figures.update(speed))
    if free:
        _replace(devices.configure, lambda _: None)
    started = time.perf_counter()
    train.main()
    figures["stage_s"] = time.perf_counter() - started
    print(json.dumps(figures | {f"{kind}_s": seconds for kind, seconds in spent.items()}))


def _replace(function: Callable[..., Any], other: Callable[..., Any]) -> None:
    """Replace `function` by `other` in every module of the project that imported it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("stages"):
            for key, value in list(vars(module).items()):
                if value is function:
                    setattr(module, key, other)


if __name__ == "__main__":
    main()
