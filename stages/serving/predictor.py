"""Predictions for images, by the champion of the registry or by a model file."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.engine.arrays import GrayImage
from stages.engine.errors import NotFound
from stages.engine.parallel import map_in_order, prefer_threads
from stages.images.options import PixelOptions
from stages.network.detector import Detector
from stages.network.preparing import Prepared
from stages.serving.batches.row import ANSWERED, REFUSED, UNUSABLE

if TYPE_CHECKING:
    from stages.registry.earlier_detector import EarlierDetector

ImageInput = bytes | Path
"""The bytes of an image file, or its path."""

_BATCH = 8
"""Images that the network answers for at a time, whose size is its own batch."""
_MOST_WAITING = 64
"""Images that wait for others to fill a batch, where nearly none can be used."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
        name: Name of the image.
        status: ANSWERED; REFUSED by the model, because it is unlike its training images; or
            UNUSABLE, because it is broken, shows nothing or is no image.
        probability: Of the positive class, at the prior of the operating point, 0 to 1; None
            unless answered.
        decision: The name of a class; None unless answered.
        domain_score: How unlike the training images it is, refused above 1; None if unusable, or
            if the model is of format 1.
        reason: Why it was refused or can't be used; None if answered.
        cautions: What makes the image doubtful, such as a lateral view in a DICOM header.
        model: Digest of the model.
    """

    name: str
    status: str
    probability: float | None
    decision: str | None
    domain_score: float | None
    reason: str | None
    cautions: tuple[str, ...]
    model: str


@dataclass(frozen=True)
class Answered:
    """A prediction, and the pixels that it was made from; None if the image can't be used."""

    prediction: Prediction
    pixels: GrayImage | None


@dataclass(frozen=True)
class Predictor:
    """A loaded model.

    Attributes:
        detector: What prepares images and answers; of a registered version, of a class of its own
            code with this interface.
        origin: Which model this is, in words.
        model: Digest of the model.
        synthetic: Whether it was trained on synthetic images; None if that is not known.
        use: What the model is meant for, in a sentence; None if that is not stated.
        cautions: What makes the model doubtful.
        package_digest: Digest of the files of a registered version; None for a model file.
    """

    detector: "Detector | EarlierDetector"
    origin: str
    model: str
    synthetic: bool | None = None
    use: str | None = None
    cautions: tuple[str, ...] = ()
    package_digest: str | None = None

    @classmethod
    def from_file(
        cls,
        model: Path,
        pixels: PixelOptions,
        *,
        root: Path,
        classes: tuple[str, str],
        body_part: str | None = None,
        synthetic: bool | None = None,
        use: str | None = None,
    ) -> "Predictor":
        """Load a model file and what was frozen for it, which lies beside it.

        Args:
            model: The `.keras` file.
            pixels: Its preprocessing options.
            root: The repository, whose code answers.
            classes: Names of the labels 0 and 1.
            body_part: What DICOM images should show; None: anything.
            synthetic: Whether it was trained on synthetic images, if that is known.
            use: What it is meant for, if that is stated.

        Raises:
            InputError: A file is missing or has other content.
        """
        from stages.registry.digests import model_digest
        from stages.registry.packaged_code import code_digest

        point, domain = (model.with_name(name) for name in ("operating_point.json", "domain.npz"))
        if model.is_file() and not domain.is_file():
            raise NotFound(
                f"{domain}: expected what the network knows of its training images, found none, as "
                "beside a model of format 1; `dvc repro` trains it again, and a registered version "
                "of format 1 still answers (`pneumonia predict` without --model)"
            )
        detector = Detector.load(
            model, point, domain, pixels=pixels, classes=classes, body_part=body_part
        )
        digest = model_digest(model, point, domain, pixels.model_dump(), code_digest(root))
        return cls(detector, f"the model in {model}", digest, synthetic, _first_sentence(use))

    @classmethod
    def from_champion(
        cls, root: Path, stem: str, source: str | None = None, key: Path | None = None
    ) -> "Predictor":
        """Load the version at the alias `champion`, with the code packaged in it.

        Args:
            root: Repository, for its embedded store.
            stem: `register.name` of params.yaml.
            source: Name of the data set; None if only one model of that stem has a champion.
            key: File of the public keys of which one must have signed it; None: it may be unsigned.

        Raises:
            NotFound: There is no champion, or there are several to choose from.
            InputError: Its files are not those that were registered, or are not signed.
        """
        from stages.registry.champion import find_champion

        with find_champion(root, stem, source) as champion:
            origin = f"{champion} (champion)"
            if not champion.sealed:
                from stages.registry.earlier_detector import EarlierDetector

                earlier = EarlierDetector(champion, signed=key is not None)
                synthetic = bool(earlier.facts["source"]["synthetic"])
                cautions = (*champion.cautions, earlier.caution)
                return cls(earlier, origin, champion.model_digest, synthetic, None, cautions)
            package = champion.open(key)
            return cls(
                package.detector(),
                origin,
                package.model_digest,
                bool(package.facts["source"]["synthetic"]),
                _first_sentence(package.facts["intended_use"]),
                champion.cautions,
                package.digest,
            )

    def predict(self, images: Sequence[ImageInput]) -> list[Prediction]:
        """Return one prediction per image, in order.

        An image that can't be used gets a prediction with the reason, and stops no other.
        """
        return [answered.prediction for answered in self.stream(images)]

    def stream(
        self, images: Sequence[ImageInput], *, label: str | None = None
    ) -> Iterator[Answered]:
        """Yield one prediction per image, in order, with its pixels.

        Images are decoded on all cores while the network answers for those before them.

        Args:
            images: Read as the work proceeds, not all at once.
            label: Names the progress bar; None: draw none.
        """
        workers = 1 if len(images) <= _BATCH else os.cpu_count()
        with prefer_threads():
            prepared = map_in_order(
                self._prepare, images, label=label, workers=workers, total=len(images)
            )
            names = (
                str(image) if isinstance(image, Path) else f"image {number}"
                for number, image in enumerate(images, start=1)
            )
            yield from self._in_batches(zip(names, prepared, strict=True))

    def _prepare(self, image: ImageInput) -> Prepared | str:
        """Prepare an image, or return why it can't be read."""
        try:
            return self.detector.prepare(image.read_bytes() if isinstance(image, Path) else image)
        except OSError as error:
            return error.strerror or str(error)

    def _in_batches(self, images: Iterable[tuple[str, Prepared | str]]) -> Iterator[Answered]:
        waiting: list[tuple[str, Prepared | str]] = []
        usable = 0
        for name, image in images:
            waiting.append((name, image))
            usable += not isinstance(image, str) and image.pixels is not None
            if usable == _BATCH or len(waiting) == _MOST_WAITING:
                yield from self.answer(waiting)
                waiting, usable = [], 0
        yield from self.answer(waiting)

    def answer(self, images: Sequence[tuple[str, Prepared | str]]) -> Iterator[Answered]:
        """Yield one prediction for each of a few images, in order.

        Args:
            images: Names; and what the detector prepared, or why the file can't be read.
        """
        pixels = [
            image.pixels
            for _, image in images
            if not isinstance(image, str) and image.pixels is not None
        ]
        answers = iter(self.detector.answer(np.stack(pixels)) if pixels else ())
        for name, image in images:
            if isinstance(image, str) or image.pixels is None:
                reason = image if isinstance(image, str) else image.reason
                unusable = Prediction(name, UNUSABLE, None, None, None, reason, (), self.model)
                yield Answered(unusable, None)
                continue
            answer = next(answers)
            prediction = Prediction(
                name,
                ANSWERED if answer.refused is None else REFUSED,
                answer.probability,
                answer.decision,
                answer.domain_score,
                answer.refused,
                image.cautions,
                self.model,
            )
            yield Answered(prediction, image.pixels)


def _first_sentence(text: str | None) -> str | None:
    """Return the first sentence of prose on one line; None for none."""
    words = " ".join((text or "").split())
    return re.split(r"(?<=[.!?]) ", words)[0] or None
