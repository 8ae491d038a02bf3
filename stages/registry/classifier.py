"""The whole road from an image's file to a decision, as training froze it.

Free of MLflow, and packaged with every registered model, so that a version answers by the code
that it was judged with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.engine.classes import NORMAL, PNEUMONIA
from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.images.resize import prepare
from stages.network import operating_point
from stages.network.predict import load_model, predictor


class ImageClassifier:
    """Answers for images given as the bytes of image files.

    Raises InputError where `model` or `point` is missing or is something else.
    """

    def __init__(self, model: Path, point: Path, pixels: PixelOptions) -> None:
        self._point = operating_point.load(point)
        self._pixels = pixels
        self._logits = predictor(load_model(model))

    def probability(self, images: Sequence[bytes]) -> npt.NDArray[np.float64]:
        """Probability of pneumonia at the operating point's stated prior, float64 (N,), 0 to 1.

        Raises InputError that names each image (by its position, from 1) that is no usable
        image, with the reason; then none is answered.
        """
        pixels, refused = [], []
        for number, image in enumerate(images, start=1):
            try:
                pixels.append(prepare(image, self._pixels))
            except InputError as error:
                refused.append(f"image {number} of {len(images)}: {error}")
        if refused:
            raise InputError("; ".join(refused))
        if not pixels:
            return np.zeros(0)
        return self._point.probability(self._logits(np.stack(pixels)))

    def decisions(self, probability: npt.NDArray[np.float64]) -> list[str]:
        """ "pneumonia" where the probability reaches the frozen threshold, else "normal"."""
        threshold = self._point.thresholds["decision"]
        return [PNEUMONIA if value >= threshold else NORMAL for value in probability]
