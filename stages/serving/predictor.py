"""Predictions for images, by the champion of the registry or by a model file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.engine.errors import UnusableImage
from stages.engine.root import project_root
from stages.images.options import PixelOptions
from stages.registry.digests import model_digest
from stages.registry.packaged_code import code_digest
from stages.sources.header import read_header

ImageInput = bytes | Path
"""The bytes of an image file, or its path."""

PredictOne = Callable[[bytes], tuple[float, str]]
"""From the bytes of an image file to probability and decision; may raise UnusableImage."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
        name: Name of the image.
        probability: Of the positive class, at the prior of the operating point, 0 to 1; None if
            the image can't be used.
        decision: The name of a class; None if the image can't be used.
        model: Digest of the model.
        reason: Why the image can't be used; None if it can.
        cautions: What makes the image doubtful, such as a lateral view in a DICOM header.
    """

    name: str
    probability: float | None
    decision: str | None
    model: str
    reason: str | None = None
    cautions: tuple[str, ...] = ()


class Predictor:
    """A loaded model.

    Attributes:
        origin: Which model this is, in words.
        model: Digest of the model.
        synthetic: Whether it was trained on synthetic images; None if that is not known.
    """

    def __init__(
        self,
        predict_one: PredictOne,
        *,
        origin: str,
        model: str,
        synthetic: bool | None,
        body_part: str | None = None,
    ) -> None:
        self._predict_one, self._body_part = predict_one, body_part
        self.origin, self.model, self.synthetic = origin, model, synthetic

    @classmethod
    def from_file(
        cls,
        model: Path,
        point: Path,
        pixels: PixelOptions,
        *,
        classes: tuple[str, str],
        body_part: str | None = None,
        synthetic: bool | None = None,
    ) -> "Predictor":
        """Load a model file.

        Args:
            model: The `.keras` file.
            point: The `operating_point.json` that was frozen for it.
            pixels: Its preprocessing options.
            classes: Names of the labels 0 and 1.
            body_part: What DICOM images should show; None: anything.
            synthetic: Whether it was trained on synthetic images, if that is known.

        Raises:
            InputError: A file is missing or has other content.
        """
        from stages.registry.classifier import ImageClassifier, UnusableImagesError

        classifier = ImageClassifier(model, point, pixels, classes)

        def predict_one(image: bytes) -> tuple[float, str]:
            try:
                probability = classifier.probability([image])
            except UnusableImagesError as error:
                raise UnusableImage(error.reasons[1]) from None
            return float(probability[0]), classifier.decisions(probability)[0]

        return cls(
            predict_one,
            origin=f"the model in {model}",
            model=model_digest(
                model,
                point,
                model.with_name("domain.npz"),
                pixels.model_dump(),
                code_digest(project_root()),
            ),
            synthetic=synthetic,
            body_part=body_part,
        )

    @classmethod
    def from_champion(cls, root: Path, stem: str, source: str | None = None) -> "Predictor":
        """Load the version at the alias `champion`, with the preprocessing packaged in it.

        Args:
            root: Repository, for its embedded store.
            stem: `register.name` of params.yaml.
            source: Name of the data set; None if only one model of that stem has a champion.

        Raises:
            NotFound: There is no champion, or there are several to choose from.
        """
        from stages.registry.champion import load_champion

        champion = load_champion(root, stem, source)
        return cls(
            champion.predict,
            origin=f"{champion.name} version {champion.version} (champion)",
            model=champion.model_digest,
            synthetic=champion.synthetic,
            body_part=champion.body_part,
        )

    def predict(self, images: Sequence[ImageInput]) -> list[Prediction]:
        """Return one prediction per image, in order.

        An image that can't be used gets a prediction with the reason, and stops no other.
        """
        return [self._predict(image, number) for number, image in enumerate(images, start=1)]

    def _predict(self, image: ImageInput, number: int) -> Prediction:
        name = str(image) if isinstance(image, Path) else f"image {number}"
        try:
            data = image.read_bytes() if isinstance(image, Path) else image
            probability, decision = self._predict_one(data)
        except UnusableImage as error:
            return Prediction(name, None, None, self.model, reason=str(error))
        except OSError as error:
            return Prediction(name, None, None, self.model, reason=error.strerror or str(error))
        cautions = read_header(data, self._body_part).cautions
        return Prediction(name, probability, decision, self.model, cautions=cautions)
