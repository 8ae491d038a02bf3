"""Measure fetch and preprocess on many small images: `python -m tests.bench.many 600 6000`.

Creates a folder with each number of images and prints time and peak memory of both stages, each in
a process of its own with the params of this repository. The time is linear where the columns per
image are equal, apart from what a stage does once. Processor time is less affected by other load.

`--grow 1` adds 1% to each folder and runs both stages again, with what the first run left in
`.cache`. Of every two sizes that follow each other, a second table has the memory and time that one
more image took. Below 40,000 images that is too much, since the audit's probes take up to 6,000
images of a role.
"""

import argparse
import importlib
import io
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from PIL import Image

from tests.bench.decode import peak_megabytes
from tests.workspace import NO_ROLES, ROOT

SIDE = 64
STAGES = ("fetch", "preprocess")


class Measured(NamedTuple):
    """What a stage took on a number of images."""

    images: int
    seconds: float
    processor_seconds: float
    peak_megabytes: float


def main() -> None:
    """Create images, measure, print; with --stage, run that stage."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.many")
    parser.add_argument("images", nargs="*", type=int)
    parser.add_argument("--packing", choices=("folder", "tar.gz"), default="folder")
    parser.add_argument("--grow", type=float, default=0.0, metavar="PERCENT")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        child(arguments.stage)
        return
    print("| Images | Stage | Seconds | ms per image | Processor ms per image | Peak memory, MB |")
    print("|---|---|---|---|---|---|")
    first_runs = []
    for count in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), range(count), arguments.packing)
            first_runs.append(run_stages(Path(folder), count, f"{count}"))
            if arguments.grow:
                new = range(count, count + max(1, round(count * arguments.grow / 100)))
                prepare(Path(folder), new, arguments.packing)
                run_stages(Path(folder), new.stop, f"{new.stop}, {len(new)} of them new")
    if len(first_runs) > 1:
        print("\n| Images | Stage | KB per image more | Processor ms per image more |")
        print("|---|---|---|---|")
        for smaller, larger in itertools.pairwise(first_runs):
            for stage in STAGES:
                print_slope(stage, smaller[stage], larger[stage])


def run_stages(folder: Path, count: int, title: str) -> dict[str, Measured]:
    """Run and print both stages on `count` images."""
    found = {}
    for stage in STAGES:
        found[stage] = took = Measured(count, *measure(folder, stage))
        per_image = (
            f"{1000 * took.seconds / count:.2f} | {1000 * took.processor_seconds / count:.2f}"
        )
        print(
            f"| {title} | {stage} | {took.seconds:.1f} | {per_image} | {took.peak_megabytes:.0f} |",
            flush=True,
        )
    return found


def print_slope(stage: str, smaller: Measured, larger: Measured) -> None:
    """Print what each image took that the larger run had more."""
    more = larger.images - smaller.images
    kilobytes = 1024 * (larger.peak_megabytes - smaller.peak_megabytes) / more
    milliseconds = 1000 * (larger.processor_seconds - smaller.processor_seconds) / more
    sizes = f"{smaller.images} to {larger.images}"
    print(f"| {sizes} | {stage} | {kilobytes:.2f} | {milliseconds:.2f} |")


def prepare(folder: Path, numbers: range, packing: str) -> None:
    """Write the images of these numbers beside those that are there, and params that name them."""
    source = folder / "images"
    for name, data in images(numbers):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if packing == "tar.gz":
        subprocess.run(["tar", "-czf", "images.tar.gz", "images"], cwd=folder, check=True)
        source = folder / "images.tar.gz"
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["fetch"] |= {"source": "archive", "path": source.name}
    params["preprocess"]["matched_donors"] = 0  # noise is refused there, because it shows no chest
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/roles.csv").write_text(NO_ROLES, encoding="utf-8")


def images(numbers: range, side: int = SIDE) -> Iterator[tuple[str, bytes]]:
    """Yield names and JPEG bytes of smooth noise: two images a patient, a quarter normal."""
    for index in numbers:
        draws = np.random.default_rng([0, index])
        coarse = Image.fromarray(draws.integers(0, 256, (8, 8), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((side, side), Image.Resampling.BILINEAR).save(buffer, "JPEG")
        patient, image = divmod(index, 2)
        name = (
            f"NORMAL/IM-{patient:06d}-{image + 1:04d}.jpeg"
            if patient % 4 == 0
            else f"PNEUMONIA/person{patient}_{('bacteria', 'virus')[patient % 2]}_{index}.jpeg"
        )
        yield f"train/{name}", buffer.getvalue()


def measure(folder: Path, stage: str) -> list[float]:
    """Run a stage; return wall seconds, processor seconds and peak megabytes."""
    command = [sys.executable, "-m", "tests.bench.many", "--stage", stage]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{stage}: {done.stderr}")
    return [float(text) for text in done.stdout.splitlines()[-1].split()]


def child(stage: str) -> None:
    """Run a stage as DVC does, then print what it took."""
    module = importlib.import_module(f"stages.{stage}")
    started, used = time.perf_counter(), time.process_time()
    module.main()
    print(time.perf_counter() - started, time.process_time() - used, peak_megabytes())


if __name__ == "__main__":
    main()
