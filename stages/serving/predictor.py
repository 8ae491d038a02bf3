"""Answers for images: by the champion of the registry, or by a model file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.registry.digests import model_digest
from stages.sources.header import read_header

ImageInput = bytes | Path
_Ask = Callable[[bytes], tuple[float, str]]


@dataclass(frozen=True)
class Answer:
    """What is said of one image.

    name: of the image. probability: of pneumonia at the operating point's stated prior, 0 to 1,
    and decision: "pneumonia" or "normal"; both None where the image can't be used, and then
    `reason` says why. model: the model digest. cautions: what makes the image doubtful, such as
    a lateral view that a DICOM file tells of.
    """

    name: str
    probability: float | None
    decision: str | None
    model: str
    reason: str | None = None
    cautions: tuple[str, ...] = ()


class Predictor:
    """One model, ready to answer.

    origin: which model this is, in words. model: its digest. synthetic: whether it learned
    from synthetic images; None where that is not known.
    """

    def __init__(self, ask: _Ask, *, origin: str, model: str, synthetic: bool | None) -> None:
        self._ask = ask
        self.origin, self.model, self.synthetic = origin, model, synthetic

    @classmethod
    def from_file(
        cls, model: Path, point: Path, pixels: PixelOptions, *, synthetic: bool | None = None
    ) -> "Predictor":
        """By a `.keras` file, the `operating_point.json` frozen for it, and its pixel options.

        Raises InputError where one of the files is missing or is something else.
        """
        from stages.registry.classifier import ImageClassifier

        classifier = ImageClassifier(model, point, pixels)

        def ask(image: bytes) -> tuple[float, str]:
            probability = classifier.probability([image])
            return float(probability[0]), classifier.decisions(probability)[0]

        return cls(
            ask,
            origin=f"the model in {model}",
            model=model_digest(model, point, pixels.model_dump()),
            synthetic=synthetic,
        )

    @classmethod
    def from_champion(cls, root: Path, stem: str, source: str | None = None) -> "Predictor":
        """By the version at alias `champion`, with the preprocessing packaged in it.

        root: of the repository, for its embedded store. stem: `register.name` of params.yaml.
        source: name of the data set; None where only one model of that stem can be meant.

        Raises InputError where there is no champion, or more than one model.
        """
        from stages.registry.champion import load_champion

        champion = load_champion(root, stem, source)
        return cls(
            champion.ask,
            origin=f"{champion.name} version {champion.version} (champion)",
            model=champion.model_digest,
            synthetic=champion.synthetic,
        )

    def predict(self, images: Sequence[ImageInput]) -> list[Answer]:
        """An answer for each image, in order; an image that can't be used gets its reason.

        images: bytes of image files, or paths of them.
        """
        return [self._answer(image, number) for number, image in enumerate(images, start=1)]

    def _answer(self, image: ImageInput, number: int) -> Answer:
        name = str(image) if isinstance(image, Path) else f"image {number}"
        try:
            data = image.read_bytes() if isinstance(image, Path) else image
            probability, decision = self._ask(data)
        except (InputError, OSError) as error:
            return Answer(name, None, None, self.model, reason=_reason(error))
        return Answer(name, probability, decision, self.model, cautions=read_header(data).cautions)


def _reason(error: InputError | OSError) -> str:
    said: Any = error.strerror if isinstance(error, OSError) else None
    return str(said or error).removeprefix("image 1 of 1: ")
