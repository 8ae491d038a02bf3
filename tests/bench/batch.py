"""Measure a batch of predictions: `python -m tests.bench.batch 1000 10000 100000`.

Writes a zip of each number of generated images and predicts it twice, each time in a process of its
own: as `pneumonia predict --batch` does, and by a bare loop over OpenCV and the network, without
checks, headers, domain scores or rows. Time and processor time are those from the archive to the
table, without the start of TensorFlow. Processor time is less affected by other load.

`--side` is the images' side in pixels: 64 costs nearly no decoding, 1200 is the size of a real one.
Above 64, no more than 500 different images are drawn, which repeat under other names.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import yaml

from stages.images.options import PixelOptions
from tests.bench.decode import peak_megabytes
from tests.bench.many import SIDE, images
from tests.workspace import ROOT

ROADS = ("batch", "bare")
_DIFFERENT = 500
_BATCH = 8


def main() -> None:
    """Create images, measure, print; with --road, run one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batch")
    parser.add_argument("images", nargs="*", type=int)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--model", type=Path, default=ROOT / "data/model/model.keras")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="of the model")
    parser.add_argument("--only", choices=ROADS)
    parser.add_argument("--road", choices=ROADS, help=argparse.SUPPRESS)
    parser.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.road:
        run(arguments.road, arguments.archive, arguments.model, arguments.params)
        return
    print(f"Images of {arguments.side} x {arguments.side} pixels.\n")
    print("| Images | Road | Seconds | Images/s | Processor ms per image | Peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for count in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "images.zip"
            write(archive, count, arguments.side)
            for road in [arguments.only] if arguments.only else ROADS:
                seconds, processor, peak = measure(road, archive, arguments.model, arguments.params)
                print(
                    f"| {count} | {road} | {seconds:.1f} | {count / seconds:.1f} | "
                    f"{1000 * processor / count:.2f} | {peak:.0f} |",
                    flush=True,
                )


def write(archive: Path, count: int, side: int) -> None:
    """Write a zip of `count` images."""
    different = count if side <= SIDE else min(count, _DIFFERENT)
    drawn = list(images(range(different), side)) if different < count else None
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for number, (name, data) in enumerate(
            images(range(count), side)
            if drawn is None
            else (drawn[number % different] for number in range(count))
        ):
            packed.writestr(f"{number:07}/{name}", data)


def measure(road: str, archive: Path, model: Path, params: Path) -> list[float]:
    """Run a road; return wall seconds, processor seconds and peak megabytes."""
    command = [sys.executable, "-m", "tests.bench.batch", "--road", road]
    command += ["--archive", str(archive), "--model", str(model), "--params", str(params)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{road}: {done.stderr}")
    return [float(text) for text in done.stdout.splitlines()[-1].split()]


def run(road: str, archive: Path, model: Path, params_file: Path) -> None:
    """Run a road and print what it took."""
    from stages.engine import devices

    params = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    devices.configure(params["train"]["threads"])
    pixels = PixelOptions(
        image_px=params["preprocess"]["image_px"], aspect=params["preprocess"]["aspect"]
    )
    took = (batch if road == "batch" else bare)(archive, model, pixels)
    print(*took, peak_megabytes())


def batch(archive: Path, model: Path, pixels: PixelOptions) -> tuple[float, float]:
    """Predict as the command does; return wall and processor seconds."""
    import numpy as np

    from stages.network.detector import Detector
    from stages.serving.batches.batch import predict_batch
    from stages.serving.predictor import Predictor

    detector = Detector.load(
        model,
        model.with_name("operating_point.json"),
        model.with_name("domain.npz"),
        pixels=pixels,
        classes=("normal", "pneumonia"),
        body_part="CHEST",
    )
    side = pixels.image_px
    detector.answer(np.zeros((1, side, side), np.uint8))  # traces the network
    started, used = time.perf_counter(), time.process_time()
    predictor = Predictor(detector, origin="bench", model="0" * 64)
    predict_batch(
        archive, archive.with_name("answers.parquet"), lambda: predictor, circumstances={}
    )
    return time.perf_counter() - started, time.process_time() - used


def bare(archive: Path, model: Path, pixels: PixelOptions) -> tuple[float, float]:
    """Decode, resize, pass through the network and forget; return wall and processor seconds."""
    import cv2
    import numpy as np
    import tensorflow as tf

    from stages.network.predict import load_model

    network, side = load_model(model), pixels.image_px

    @tf.function
    def forward(part: Any) -> Any:
        return network(tf.cast(part[..., None], tf.float32), training=False)

    forward(tf.zeros((_BATCH, side, side), tf.uint8))
    started, used = time.perf_counter(), time.process_time()
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        for start in range(0, len(names), _BATCH):
            part = []
            for name in names[start : start + _BATCH]:
                data = np.frombuffer(packed.read(name), np.uint8)
                image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
                assert image is not None
                part.append(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))
            forward(tf.constant(np.stack(part + part[-1:] * (_BATCH - len(part))))).numpy()
    return time.perf_counter() - started, time.process_time() - used


if __name__ == "__main__":
    main()
