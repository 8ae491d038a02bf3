"""Random numbers whose last bit is the same on every machine.

NumPy's own `normal` reaches for the C library's logarithm, and its `uniform` may be compiled to
a fused multiply-add; both may differ in the last bit between instruction sets. Everything here is
integers from the bit generator and Python float arithmetic, which is IEEE 754 and never fused.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

Int32 = npt.NDArray[np.int32]

# One stream for each thing that is drawn, so that no two records share a generator.
COHORT, CHILD, POSE, VESSELS, LESION, ACQUISITION = range(1, 7)

# Standard deviation of the sum of four bytes: sqrt(4 * (256**2 - 1) / 12).
_FOUR_BYTES_SD = 147.8


class Draws:
    """Random numbers of one record: the generator of `[seed, stream, first, second, third]`."""

    def __init__(
        self, seed: int, stream: int, first: int = 0, second: int = 0, third: int = 0
    ) -> None:
        self.rng = np.random.default_rng([seed, stream, first, second, third])

    def uniform(self, low: float, high: float) -> float:
        """A float from low to high."""
        return low + (high - low) * float(self.rng.random())

    def bell(self, mean: float, sd: float) -> float:
        """A bell-shaped float: a sum of four uniforms, so never further than 3.5 sd from mean."""
        total: int = sum(self.rng.integers(0, 256, size=4).tolist())
        return mean + sd * (total - 510) / _FOUR_BYTES_SD

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return float(self.rng.random()) < probability

    def pick(self, choices: Sequence[T], weights: Sequence[int]) -> T:
        """One of the choices; weights are whole numbers."""
        ticket = int(self.rng.integers(0, sum(weights)))
        for choice, weight in zip(choices, weights, strict=True):
            ticket -= weight
            if ticket < 0:
                return choice
        raise AssertionError("a ticket below the sum of the weights always falls on a choice")

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Int32:
        """int32 of the given shape, low to high - 1."""
        return self.rng.integers(low, high, size=shape, dtype=np.int32)

    def grain(self, shape: tuple[int, int]) -> npt.NDArray[np.int16]:
        """int16 (H, W), bell-shaped about 0, standard deviation about 128: grain."""
        grain = np.full(shape, -383, dtype=np.int16)
        raw = np.frombuffer(self.rng.bytes(3 * shape[0] * shape[1]), dtype=np.uint8)
        for layer in raw.reshape(3, *shape):
            grain += layer
        return grain
