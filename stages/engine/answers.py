"""What a model answers for the images of a role."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats, GrayImages


@dataclass(frozen=True)
class Answers:
    """Of N images, each array (N,); also of those that the model refuses.

    Attributes:
        logit: Of a positive, float32.
        probability: Of a positive, float64, 0 to 1.
        domain_score: How unlike the training images an image is, float64, 0 or more.
        refused: Whether that is too unlike for a decision, bool.
    """

    logit: NDArray[np.float32]
    probability: Floats
    domain_score: Floats
    refused: Flags

    @classmethod
    def joined(cls, parts: Iterable["Answers"]) -> "Answers":
        """Return the answers of several parts as one."""
        listed = list(parts)
        return cls(
            *(np.concatenate([getattr(part, each.name) for part in listed]) for each in fields(cls))
        )

    def where(self, member: Flags, others: "Answers") -> "Answers":
        """Return these answers for the images in `member`, bool (N,), else those of `others`."""
        return Answers(
            *(
                np.where(member, getattr(self, each.name), getattr(others, each.name))
                for each in fields(self)
            )
        )


AnswerImages: TypeAlias = Callable[[GrayImages], Answers]
"""From prepared images, uint8 (N, H, W), 0 to 255, to a model's answers (N)."""
