"""Random numbers that are equal to the last bit on every machine.

NumPy's `normal` calls the C library's logarithm, and its `uniform` may be compiled to a fused
multiply-add; both may differ in the last bit between instruction sets. Here are only integers from
the bit generator and Python's float arithmetic, which is IEEE 754 and never fused.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

Int32 = npt.NDArray[np.int32]

# A stream for each kind of record, so that no two records share a generator.
COHORT, CHILD, POSE, VESSELS, LESION, ACQUISITION = range(1, 7)

# Standard deviation of the sum of four bytes: sqrt(4 * (256**2 - 1) / 12).
_FOUR_BYTES_SD = 147.8


class Draws:
    """Random numbers of one record, from the generator of [seed, stream, first, second, third]."""

    def __init__(
        self, seed: int, stream: int, first: int = 0, second: int = 0, third: int = 0
    ) -> None:
        self.rng = np.random.default_rng([seed, stream, first, second, third])

    def uniform(self, low: float, high: float) -> float:
        """Draw a float uniformly from low to high."""
        return low + (high - low) * float(self.rng.random())

    def bell(self, mean: float, sd: float) -> float:
        """Draw a nearly normal float: a sum of four uniforms, within 3.5 sd of the mean."""
        total: int = sum(self.rng.integers(0, 256, size=4).tolist())
        return mean + sd * (total - 510) / _FOUR_BYTES_SD

    def chance(self, probability: float) -> bool:
        """Draw True with the given probability."""
        return float(self.rng.random()) < probability

    def pick(self, choices: Sequence[T], weights: Sequence[int]) -> T:
        """Draw one of the choices with the given relative weights."""
        ticket = int(self.rng.integers(0, sum(weights)))
        for choice, weight in zip(choices, weights, strict=True):
            ticket -= weight
            if ticket < 0:
                return choice
        raise AssertionError("unreachable: the ticket is below the sum of the weights")

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Int32:
        """Draw int32 of the given shape, low to high - 1."""
        return self.rng.integers(low, high, size=shape, dtype=np.int32)

    def grain(self, shape: tuple[int, int]) -> npt.NDArray[np.int16]:
        """Draw int16 (H, W), nearly normal about 0 with a standard deviation of about 128."""
        grain = np.full(shape, -383, dtype=np.int16)
        raw = np.frombuffer(self.rng.bytes(3 * shape[0] * shape[1]), dtype=np.uint8)
        for layer in raw.reshape(3, *shape):
            grain += layer
        return grain
