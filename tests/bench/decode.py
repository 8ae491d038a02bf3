"""Compare preprocess with the bare library: `python -m tests.bench.decode ZIP`.

Prints images/s of the whole of preprocess and of OpenCV's decode and resize alone: on one core,
times the number of cores, and on all cores at once. The measurements alternate, so that all have
the same load. Also prints the peak memory of preprocess, in a process of its own, for the images of
the zip and for ten times as many.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.images.build import build_shards
from stages.images.options import AuditOptions, PreprocessOptions
from stages.sources.archives import archive
from stages.sources.index import open_raw
from stages.sources.received import NamedSource, ReceivedImage
from stages.sources.writer import write_raw

OPTIONS = PreprocessOptions(
    seed=0,
    image_px=160,
    aspect="stretch",
    val_fraction=0.15,
    test_fraction=0.15,
    max_unreadable_images=5,
    max_unreadable_share=0.01,
    matched_donors=0,
    tail_fraction=0.0,
    audit=AuditOptions(leaks="warn", label_conflicts="warn", shortcuts="warn", shortcut_auroc=0.75),
)
ROUNDS = 5


def main() -> None:
    """Create both data sets, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decode")
    parser.add_argument("zip", type=Path)
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:  # the child: `zip` is a raw folder
        rate(arguments.zip)
        print(peak_megabytes())
        return
    with tempfile.TemporaryDirectory() as scratch:
        for times in (1, 10):
            raw = Path(scratch) / f"raw{times}"
            raw.mkdir()
            images, source = archive.receive(arguments.zip, None)
            sources = [NamedSource("archive", "train", source)]
            count = write_raw(raw, repeated(images, times), sources)
            report(raw, count)


def report(raw: Path, count: int) -> None:
    """Print rates, their ratios (median of rounds) and peak memory for one data set."""
    cores = os.cpu_count() or 1
    rounds = [(rate(raw), bare_rate(raw, 1), bare_rate(raw, cores)) for _ in range(ROUNDS)]
    whole, bare, together = (
        statistics.median(each.wall for each in column) for column in zip(*rounds, strict=True)
    )
    ratio = statistics.median(a.wall / (b.wall * cores) for a, b, _ in rounds)
    reached = statistics.median(a.wall / c.wall for a, _, c in rounds)
    # Processor time is less affected by other load.
    busy = statistics.median(a.processor / b.processor for a, b, _ in rounds)
    child = [sys.executable, "-m", "tests.bench.decode", "--peak", str(raw)]
    peak = subprocess.run(child, check=True, capture_output=True, text=True).stdout.strip()
    print(
        f"{count} images: preprocess {whole:.0f} images/s, bare {bare:.0f} x {cores} cores, "
        f"ratio {ratio:.2f} (by processor time {busy:.2f}), bare on {cores} cores at once "
        f"{together:.0f}, ratio {reached:.2f}, peak memory {peak} MB"
    )


def repeated(images: Iterator[ReceivedImage], times: int) -> Iterator[ReceivedImage]:
    """Yield each image under `times` names, each of another patient."""
    everything = [
        replace(
            image,
            path=f"{image.path}.{n}",
            split_group=f"{image.split_group}.{n}",
            patient=f"{image.patient}.{n}",
        )
        for image in images
        for n in range(times)
    ]
    yield from sorted(everything, key=lambda image: image.path)


@dataclass(frozen=True)
class Rate:
    """Images per second of wall time, and of processor time over all threads."""

    wall: float
    processor: float


def rate(raw: Path) -> Rate:
    """Measure preprocess, from the raw folder to finished shards."""
    with tempfile.TemporaryDirectory() as scratch:
        started, used = time.perf_counter(), time.process_time()
        images, _ = open_raw(raw)
        build_shards(images, OPTIONS, Path(scratch) / "shards")
        return _since(started, used, len(images))


def bare_rate(raw: Path, threads: int) -> Rate:
    """Measure imdecode and area resize of every third image, from bytes in memory."""
    cv2.setNumThreads(1)
    data = [np.frombuffer(image.read(), np.uint8) for image in open_raw(raw)[0][::3]]
    with ThreadPoolExecutor(threads) as pool:
        started, used = time.perf_counter(), time.process_time()
        list(pool.map(_bare, data))
        return _since(started, used, len(data))


def _bare(encoded: NDArray[np.uint8]) -> None:
    pixels = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    cv2.resize(pixels, (OPTIONS.image_px,) * 2, interpolation=cv2.INTER_AREA)


def _since(started: float, used: float, images: int) -> Rate:
    return Rate(images / (time.perf_counter() - started), images / (time.process_time() - used))


def peak_megabytes() -> int:
    """Return the peak resident memory of this process, without that of its parent."""
    # getrusage would include the parent's memory at the time of the fork.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise SystemExit("peak memory is read from /proc, which exists on Linux only")


if __name__ == "__main__":
    main()
