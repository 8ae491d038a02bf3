"""Print the decisions of a version of FORMAT 2, made by its own code in a process of its own.

`python -m stages.registry.decide_sealed PACKAGE DIGEST IMAGES` reads the pixels of the array
IMAGES, or the image files in the folder IMAGES, in the order of their names. The last line printed
is a JSON list: true for a positive, null for an image that is refused.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.engine import devices
from stages.engine.arrays import GrayImage
from stages.engine.console import print_text
from stages.engine.errors import InputError
from stages.registry.sealed_package import open_sealed

if TYPE_CHECKING:
    from stages.network.detector import Detector

_BATCH = 64
"""Images in memory at a time."""


def main(package: str, digest: str, images: str) -> None:
    """Print the decisions."""
    sealed = open_sealed(Path(package), expected=digest, key=None)
    devices.configure(sealed.facts["processor"]["threads"])
    detector = sealed.detector()
    _, positive = sealed.facts["classes"]
    decisions: list[bool | None] = []
    for pixels in _batches(Path(images), detector):
        usable = [image for image in pixels if image is not None]
        answers = iter(detector.answer(np.stack(usable)) if usable else [])
        for image in pixels:
            decision = None if image is None else next(answers).decision
            decisions.append(None if decision is None else decision == positive)
    print_text(json.dumps(decisions))


def _batches(images: Path, detector: "Detector") -> "Iterator[list[GrayImage | None]]":
    if images.is_file():
        stored = np.load(images, mmap_mode="r", allow_pickle=False)
        for start in range(0, len(stored), _BATCH):
            yield list(stored[start : start + _BATCH])
        return
    files = sorted(images.iterdir())
    for start in range(0, len(files), _BATCH):
        part = files[start : start + _BATCH]
        yield [detector.prepare(path.read_bytes()).pixels for path in part]


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(str(error))
