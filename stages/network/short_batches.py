"""Forward passes for fewer images than a whole batch, where they give the same bits.

Every pass has one of a few sizes, and a short one is filled up. With eight places a lone image
costs as much as eight. A pass with fewer places may be another computation, which sums in another
order: with one place it is (in 129 of 150 images the last bits differ), with two and four it is not
on the processors that this was tried on. So no smaller size is used before it has given, for every
image of a probe and at every place, the bits of a whole batch: a pass that computes otherwise
differs in nearly every image.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from stages.engine.arrays import GrayImages
from stages.network.predict import BATCH, Logits, Scores

SIZES = (2, 4)
"""Sizes that are tried."""

Pass: TypeAlias = Callable[[GrayImages], tuple[Logits, Scores]]
"""From images, uint8 (N, H, W), 0 to 255, to logits, float32 (N,), and scores, float64 (N,)."""


class ShortBatches:
    """Answers whole batches by one pass, and what is left over by the smallest that fits."""

    def __init__(self, make: Callable[[int], Pass]) -> None:
        """Use whole batches alone.

        Args:
            make: Returns the pass of a size, such as `predict.answerer`.
        """
        self._make = make
        self._passes: dict[int, Pass] = {BATCH: make(BATCH)}

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes in use, ascending."""
        return tuple(sorted(self._passes))

    def __call__(self, images: GrayImages) -> tuple[Logits, Scores]:
        """Return logits, float32 (N,), and domain scores, float64 (N,), of uint8 (N, H, W)."""
        left = len(images) % BATCH
        size = next(size for size in self.sizes if size >= left)
        if size == BATCH or not left:
            return self._passes[BATCH](images)
        if len(images) < BATCH:
            return self._passes[size](images)
        first = self._passes[BATCH](images[:-left])
        last = self._passes[size](images[-left:])
        return np.concatenate([first[0], last[0]]), np.concatenate([first[1], last[1]])

    def admit(self, images: GrayImages) -> None:
        """Use from now on the smaller sizes that give the bits of a whole batch for these images.

        Args:
            images: Of a probe, uint8 (N, H, W).
        """
        expected = self._passes[BATCH](images)
        for size in SIZES:
            candidate = self._make(size)
            alone = [candidate(images[[place]]) for place in range(len(images))]
            logits, scores = (np.concatenate(part) for part in zip(*alone, strict=True))
            if _same((logits, scores), expected) and _same(candidate(images), expected):
                self._passes[size] = candidate


def _same(found: tuple[Logits, Scores], expected: tuple[Logits, Scores]) -> bool:
    """Whether all bits are equal."""
    return [one.tobytes() for one in found] == [one.tobytes() for one in expected]
