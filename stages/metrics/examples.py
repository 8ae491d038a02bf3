"""Which images to look at: the surest, the most doubtful and the wrong ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats
from stages.engine.classes import CLASS_NAMES


@dataclass(frozen=True)
class Example:
    """An image to display: its row, and a caption with the reason, the label and the call."""

    row: int
    caption: str


def choose(
    label: NDArray[np.int64], probability: Floats, threshold: float, count: int
) -> list[Example]:
    """Up to `count` images of each sort: surest and right, most doubtful, most surely wrong.

    label: 0 or 1 (N,); probability: (N,). An image is shown once. Ties go to the earlier image.
    The surest are half sick and half normal, as far as there are such images.
    """
    positive = probability >= threshold
    right = positive == (label == 1)
    sureness = np.abs(probability - threshold)
    surest = np.argsort(-sureness, kind="stable")
    of_class = [[int(row) for row in surest if right[row] and label[row] == c] for c in (1, 0)]
    half = (count + 1) // 2
    shown: dict[int, str] = dict.fromkeys(of_class[0][:half], "surest")
    shown |= dict.fromkeys(of_class[1][: count - len(shown)], "surest")
    wrong = [int(row) for row in surest if not right[row]][:count]
    for row in [int(row) for row in surest[::-1] if row not in shown and row not in wrong][:count]:
        shown[row] = "doubtful"
    shown |= dict.fromkeys(wrong, "wrong")
    return [
        Example(row, f"{why}: {CLASS_NAMES[label[row]]}, probability {probability[row]:.3f}")
        for row, why in shown.items()
    ]
