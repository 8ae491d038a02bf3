"""Which images to look at: the most certain, the most doubtful and the wrong ones."""

from dataclasses import dataclass

import numpy as np

from stages.engine.arrays import Floats, Labels
from stages.engine.task import drawable


@dataclass(frozen=True)
class Example:
    """An image to display: its row, and a caption with reason, label and probability."""

    row: int
    caption: str


def choose_examples(
    label: Labels, probability: Floats, threshold: float, count: int, classes: tuple[str, str]
) -> list[Example]:
    """Choose up to `count` images of each sort: certain and right, doubtful, certain and wrong.

    An image is chosen once. Ties go to the earlier image. The certain ones are half positive and
    half negative, as far as there are such images.

    Args:
        label: 0 or 1 (N,).
        probability: Of a positive (N,).
        threshold: Of the decision; the farther a probability is from it, the more certain.
        count: Of images of each sort.
        classes: Names of the labels 0 and 1, for the captions.
    """
    right = (probability >= threshold) == (label == 1)
    most_certain = np.argsort(-np.abs(probability - threshold), kind="stable")
    right_of_class = [
        [int(row) for row in most_certain if right[row] and label[row] == value] for value in (1, 0)
    ]
    half = (count + 1) // 2
    chosen: dict[int, str] = dict.fromkeys(right_of_class[0][:half], "surest")
    chosen |= dict.fromkeys(right_of_class[1][: count - len(chosen)], "surest")
    wrong = [int(row) for row in most_certain if not right[row]][:count]
    rest = [int(row) for row in most_certain[::-1] if row not in chosen and row not in wrong]
    chosen |= dict.fromkeys(rest[:count], "doubtful")
    chosen |= dict.fromkeys(wrong, "wrong")
    names = drawable(classes)
    return [
        Example(row, f"{why}: {names[label[row]]}, probability {probability[row]:.3f}")
        for row, why in chosen.items()
    ]
