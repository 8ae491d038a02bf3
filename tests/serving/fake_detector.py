"""A detector without a network, for tests of batches; it can be killed at any call."""

import hashlib
from dataclasses import dataclass
from typing import Any, cast

from stages.engine.arrays import GrayImage, GrayImages
from stages.engine.errors import UnusableImage
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network.detector import Answer
from stages.network.preparing import Prepared
from stages.serving.predictor import Predictor
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


def fake_model(detector: FakeDetector | None = None, *, digest: str = "m" * 64) -> Predictor:
    return Predictor(
        cast(Any, detector or FakeDetector()), origin="a test", model=digest, synthetic=True
    )
