"""A detector without a network, for tests of batches; it can be killed at any call."""

import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.engine.arrays import GrayImage, GrayImages
from stages.engine.errors import UnusableImage
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network.detector import Answer, Prepared
from stages.serving.batch import BatchModel, predict_batch
from stages.sources.header import read_header

PIXELS = PixelOptions(image_px=32, aspect="stretch")


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@dataclass
class FakeDetector:
    """Answers by the digest of the pixels; dies at call `killed_at` of `answer`."""

    killed_at: int = -1
    seen: int = 0

    def prepare(self, image: bytes) -> Prepared:
        try:
            pixels = prepare(image, PIXELS)
        except UnusableImage as error:
            return Prepared(None, str(error))
        header = read_header(image, "CHEST")
        facts = {"width": header.width, "height": header.height}
        return Prepared(pixels, None, header.cautions, facts)

    def answer(self, pixels: GrayImages) -> list[Answer]:
        if self.killed_at == 0:
            raise Killed
        self.killed_at -= 1
        self.seen += len(pixels)
        return [self._answer(image) for image in pixels]

    def _answer(self, image: GrayImage) -> Answer:
        number = int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:6])
        probability, score = (number % 1009) / 1009, (number % 1013) / 900
        if score > 1:
            return Answer(None, None, score, "not like the images that the model was trained on")
        return Answer(probability, "pneumonia" if probability > 0.5 else "normal", score, None)


def fake_model(detector: FakeDetector | None = None, *, digest: str = "m" * 64) -> BatchModel:
    return BatchModel(
        detector or FakeDetector(),
        {"model": "a test", "model_digest": digest, "package_digest": None},
        {"processor": "test"},
        synthetic=True,
    )


def main(words: Sequence[str]) -> None:
    """Predict a batch with the fake: SOURCE OUT [WORKERS]."""
    source, out, *workers = words
    predict_batch(
        Path(source), Path(out), fake_model, workers=int(workers[0]) if workers else os.cpu_count()
    )


if __name__ == "__main__":
    main(sys.argv[1:])
