"""From the bytes of an image file to an answer, with everything as training froze it.

This is the interface of a registered version: the module and what it imports are packaged with
every version (`registry/packaged_code.py`), so that a version answers with the code that it was
evaluated with, and whoever loads a version calls nothing else of it. It reads no params and knows
no registry. What it offers is of FORMAT: a change that callers would notice raises that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import Floats, GrayImage, GrayImages
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network import operating_point
from stages.network.domain import LIMIT, Domain
from stages.network.domain import load as load_domain
from stages.network.judging import judged
from stages.network.predict import answerer, load_model
from stages.network.preparing import Prepared, prepare_image
from stages.network.probe import read_probe
from stages.network.short_batches import ShortBatches

FORMAT = 2
"""Of the interface. Packages of format 1 have no detector."""


@dataclass(frozen=True)
class Answer:
    """The answer for one image.

    Attributes:
        probability: Of the positive class, at the prior of the operating point, 0 to 1; None if
            the image was refused.
        decision: The name of a class; None if the image was refused.
        domain_score: How unlike the training images it is; above LIMIT it is refused. None where a
            version of format 1 answered, which has no such score.
        refused: Why there is no answer, in words; None if there is one.
    """

    probability: float | None
    decision: str | None
    domain_score: float | None
    refused: str | None


class Detector:
    """A network with its operating point, its domain and its preprocessing."""

    def __init__(
        self,
        model: Any,
        point: operating_point.OperatingPoint,
        known: Domain,
        *,
        pixels: PixelOptions,
        classes: tuple[str, str],
        body_part: str | None,
    ) -> None:
        """Keep the parts of a detector; arguments as `load`, with the content of the files."""
        self._model, self._point = model, point
        self._pixels, self._classes, self._body_part = pixels, classes, body_part
        self._forward = ShortBatches(lambda size: answerer(model, known, size))
        self._maps: Callable[[GrayImages], npt.NDArray[np.float32]] | None = None

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
        """Load the files of a model.

        Args:
            model: The `.keras` file.
            point: The `operating_point.json` that was frozen for it.
            domain: The `domain.npz` that was fitted for it.
            pixels: Its preprocessing options.
            classes: Names of the labels 0 and 1.
            body_part: What DICOM images should show; None: anything.

        Raises:
            InputError: A file is missing or has other content.
        """
        network = load_model(model)
        frozen, known = operating_point.load(point), load_domain(domain)
        return cls(network, frozen, known, pixels=pixels, classes=classes, body_part=body_part)

    def prepare(self, image: bytes) -> Prepared:
        """Decode the bytes of an image file and resize it; a bad image gives a reason."""
        return prepare_image(image, self._pixels, self._body_part)

    def answer(self, pixels: GrayImages) -> list[Answer]:
        """Return an answer for each of N prepared images, uint8 (N, H, W), 0 to 255.

        An image's answer does not depend on the others, to the last bit.
        """
        logits, scores = self._forward(pixels)
        probability = self._point.probability(logits)
        return [
            self._answer(float(chance), float(score))
            for chance, score in zip(probability, scores, strict=True)
        ]

    def domain_score(self, pixels: GrayImages) -> Floats:
        """Return how unlike the training images each of N images is, float64 (N,)."""
        return np.asarray(self._forward(pixels)[1], np.float64)

    def overlay(self, pixels: GrayImage) -> bytes:
        """Draw what speaks for the positive class over a prepared image (LayerCAM): a PNG."""
        from stages.network import saliency

        return saliency.png(saliency.overlay(pixels, self.heatmap(pixels)))

    def heatmap(self, pixels: GrayImage) -> npt.NDArray[np.float32]:
        """Map what speaks for the positive class in a prepared image: float32 (H, W), 0 to 1.

        Versions that were packaged before `pneumonia serve` have none.
        """
        from stages.network import saliency

        if self._maps is None:
            self._maps = saliency.mapper(self._model, *pixels.shape)
        heatmap: npt.NDArray[np.float32] = self._maps(pixels[None])[0]
        return heatmap

    def admit_short_batches(self, probe: Path) -> tuple[int, ...]:
        """Answer few images in smaller batches, where that changes no bit of a probe's images.

        Args:
            probe: A probe.zip.

        Returns:
            The sizes of batches from now on.

        Raises:
            InputError: The file is missing, damaged or of another format.
        """
        files = read_probe(probe).files.values()
        self._forward.admit(np.stack([prepare(image, self._pixels) for image in files]))
        return self._forward.sizes

    def differing(self, probe: Path) -> list[str]:
        """Return the names of the images in a probe.zip that are answered otherwise here.

        None are where this machine computes what the machine did that evaluated the model. Answers
        are compared to the last bit, also those of images that are refused.

        Raises:
            InputError: The file is missing, damaged or of another format.
        """
        return read_probe(probe).differing(
            lambda image: prepare(image, self._pixels),
            lambda pixels: judged(*self._forward(pixels), self._point),
        )

    def _answer(self, probability: float, score: float) -> Answer:
        if not score <= LIMIT:  # NaN is no answer either
            return Answer(None, None, score, _refusal(score))
        positive = probability >= self._point.thresholds["decision"]
        return Answer(probability, self._classes[positive], score, None)


def _refusal(score: float) -> str:
    # Enough decimals that a score just above the limit does not read as the limit.
    decimals = next((count for count in (1, 3, 6) if float(f"{score:.{count}f}") > LIMIT), 12)
    return (
        f"unlike the images it was trained on (score {score:.{decimals}f}, limit {LIMIT:g}): "
        "no answer"
    )
