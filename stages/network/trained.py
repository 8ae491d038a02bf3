"""A trained model with all that is frozen for it, and its answers for images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import checksums
from stages.engine.answers import AnswerImages, Answers
from stages.engine.arrays import GrayImages
from stages.network import domain, operating_point, predict
from stages.network.judging import judged
from stages.network.operating_point import OperatingPoint


@dataclass(frozen=True)
class Trained:
    """A model of data/model.

    Attributes:
        model: The `keras.Model`, one logit per image.
        point: Its operating point.
        answer: From prepared images to all that it answers, also for those that it refuses.
    """

    model: Any
    point: OperatingPoint
    answer: AnswerImages


def load_trained(folder: Path) -> Trained:
    """Load model.keras, operating_point.json and domain.npz.

    Raises:
        InputError: A file is missing, damaged, or not the one that training wrote.
    """
    checksums.verify(folder)
    model = predict.load_model(folder / "model.keras")
    point = operating_point.load(folder / "operating_point.json")
    answer = predict.answerer(model, domain.load(folder / "domain.npz"))

    def answers(images: GrayImages) -> Answers:
        logits, scores = answer(images)
        return judged(logits, scores, point)

    return Trained(model, point, answers)
