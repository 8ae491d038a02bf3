"""Which images to look at: the most certain, the most doubtful, the wrong and refused ones."""

from dataclasses import dataclass

import numpy as np

from stages.engine.answers import Answers
from stages.engine.arrays import Labels
from stages.engine.task import drawable


@dataclass(frozen=True)
class Example:
    """An image to display: its row, and a caption with reason, label and a number."""

    row: int
    caption: str


def choose_examples(
    label: Labels, answers: Answers, threshold: float, count: int, classes: tuple[str, str]
) -> list[Example]:
    """Choose up to `count` images of each sort: certain and right, doubtful, wrong, refused.

    An image is chosen once. Ties go to the earlier image. The certain ones are half positive and
    half negative, as far as there are such images. The wrong ones are those that are most certain,
    the refused ones those that are least like a training image.

    Args:
        label: 0 or 1 (N,).
        answers: For these images (N).
        threshold: Of the decision; the farther a probability is from it, the more certain.
        count: Of images of each sort.
        classes: Names of the labels 0 and 1, for the captions.
    """
    probability, refused = answers.probability, answers.refused
    right = (probability >= threshold) == (label == 1)
    by_certainty = np.argsort(-np.abs(probability - threshold), kind="stable")
    most_certain = by_certainty[~refused[by_certainty]]
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
    strangest = np.argsort(-answers.domain_score, kind="stable")
    chosen |= dict.fromkeys([int(row) for row in strangest if refused[row]][:count], "refused")
    names = drawable(classes)

    def caption(row: int, why: str) -> str:
        number = f"probability {probability[row]:.3f}"
        if refused[row]:
            number = f"domain score {answers.domain_score[row]:.3f}"
        return f"{why}: {names[label[row]]}, {number}"

    return [Example(row, caption(row, why)) for row, why in chosen.items()]
