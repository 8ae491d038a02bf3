"""From image files to answers: what a version of the registry packages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.engine.arrays import Floats, GrayImage, GrayImages
from stages.engine.errors import UnusableImage
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network import operating_point
from stages.network.predict import load_model, predictor
from stages.sources.header import read_header

FORMAT = 2
"""Of this interface."""


@dataclass(frozen=True)
class Prepared:
    """An image file as pixels, or why it can't be used."""

    pixels: GrayImage | None
    reason: str | None
    cautions: tuple[str, ...] = ()
    facts: Mapping[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The answer for one image; without probability and decision if it is refused."""

    probability: float | None
    decision: str | None
    domain_score: float
    refused: str | None


class Detector:
    """A network with its operating point, its domain and its preprocessing."""

    def __init__(
        self,
        model: Path,
        point: Path,
        pixels: PixelOptions,
        classes: tuple[str, str],
        body_part: str | None,
    ) -> None:
        self._point = operating_point.load(point)
        self._pixels, self._classes, self._body_part = pixels, classes, body_part
        self._logits = predictor(load_model(model))

    @classmethod
    def load(
        cls,
        model: Path,
        point: Path,
        domain: Path,
        *,
        pixels: PixelOptions,
        classes: tuple[str, str],
        body_part: str | None,
    ) -> "Detector":
        """Load the files of a model."""
        del domain  # nothing is refused yet
        return cls(model, point, pixels, classes, body_part)

    def prepare(self, image: bytes) -> Prepared:
        """Decode an image file; a bad one has a reason instead of pixels."""
        try:
            pixels = prepare(image, self._pixels)
        except UnusableImage as error:
            return Prepared(None, str(error))
        return Prepared(pixels, None, read_header(image, self._body_part).cautions)

    def answer(self, pixels: GrayImages) -> list[Answer]:
        """Answer for images, uint8 (N, H, W)."""
        negative, positive = self._classes
        threshold = self._point.thresholds["decision"]
        return [
            Answer(float(chance), positive if chance >= threshold else negative, 0.0, None)
            for chance in self._point.probability(self._logits(pixels))
        ]

    def domain_score(self, pixels: GrayImages) -> Floats:
        """Score images; above 1 is refused."""
        return np.zeros(len(pixels))
