"""Measure fetch and preprocess on many small images: `python -m tests.bench.many 600 6000`.

Creates a folder with each number of images and prints time and peak memory of both stages, each in
a process of its own with the params of this repository. The time is linear where the columns per
image are equal, apart from what a stage does once. Processor time is less affected by other load.
"""

import argparse
import importlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.bench.decode import peak_megabytes
from tests.workspace import ROOT

SIDE = 64
STAGES = ("fetch", "preprocess")


def main() -> None:
    """Create images, measure, print; with --stage, run that stage."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.many")
    parser.add_argument("images", nargs="*", type=int)
    parser.add_argument("--packing", choices=("folder", "tar.gz"), default="folder")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        child(arguments.stage)
        return
    print("| Images | Stage | Seconds | ms per image | Processor ms per image | Peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for count in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), count, arguments.packing)
            for stage in STAGES:
                wall, processor, peak = measure(Path(folder), stage)
                per_image = f"{1000 * wall / count:.2f} | {1000 * processor / count:.2f}"
                print(f"| {count} | {stage} | {wall:.1f} | {per_image} | {peak:.0f} |", flush=True)


def prepare(folder: Path, count: int, packing: str) -> None:
    """Write images and params that name them."""
    source = folder / "images"
    for name, data in images(count):
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


def images(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and JPEG bytes of smooth noise: two images a patient, a quarter normal."""
    draws = np.random.default_rng(0)
    for index in range(count):
        coarse = Image.fromarray(draws.integers(0, 256, (8, 8), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(buffer, "JPEG")
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
