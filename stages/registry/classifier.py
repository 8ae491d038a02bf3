"""From the bytes of an image file to a decision, with everything as training froze it.

This module is free of MLflow and is packaged with every registered model, so that a version
answers with the code that it was evaluated with.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stages.engine.arrays import Floats
from stages.engine.errors import InputError, UnusableImage
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network import operating_point
from stages.network.predict import load_model, predictor


class UnusableImagesError(UnusableImage):
    """Some images of a batch can't be used.

    Attributes:
        reasons: Why an image can't be used, by its position from 1.
    """

    def __init__(self, reasons: Mapping[int, str], count: int) -> None:
        super().__init__(
            "; ".join(f"image {number} of {count}: {reason}" for number, reason in reasons.items())
        )
        self.reasons = dict(reasons)


class ImageClassifier:
    """A network with its operating point and its preprocessing."""

    def __init__(
        self, model: Path, point: Path, pixels: PixelOptions, classes: tuple[str, str]
    ) -> None:
        """Load a model.

        Args:
            model: The `.keras` file.
            point: The `operating_point.json` that was frozen for it.
            pixels: Its preprocessing options.
            classes: Names of the labels 0 and 1.

        Raises:
            InputError: A file is missing or has other content.
        """
        self._point = operating_point.load(point)
        self._pixels, self._classes = pixels, classes
        self._logits = predictor(load_model(model))

    def probability(self, images: Sequence[bytes]) -> Floats:
        """Return the probability of the positive class at the operating point's prior.

        Args:
            images: Bytes of N image files.

        Returns:
            float64 (N,), 0 to 1.

        Raises:
            UnusableImagesError: Any image can't be used; then no probability is returned.
        """
        pixels, reasons = [], {}
        for number, image in enumerate(images, start=1):
            try:
                pixels.append(prepare(image, self._pixels))
            except InputError as error:
                reasons[number] = str(error)
        if reasons:
            raise UnusableImagesError(reasons, len(images))
        if not pixels:
            return np.zeros(0)
        return self._point.probability(self._logits(np.stack(pixels)))

    def decisions(self, probability: Floats) -> list[str]:
        """Name the positive class where a probability reaches the threshold, else the other."""
        threshold = self._point.thresholds["decision"]
        negative, positive = self._classes
        return [positive if value >= threshold else negative for value in probability]
