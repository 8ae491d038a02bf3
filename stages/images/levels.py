"""Grey levels: does a decoded image show a picture, and which range do its samples use?"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats, GrayImage
from stages.engine.errors import UnusableImage

# Chosen on half of a set of odd files. Of 6,584 radiographs and phantoms, the darkest reaches 107
# (its percentile 95), the brightest starts at 178 (percentile 5), the faintest spans 67.
MIN_SPAN = 32
"""A picture spans this many grey levels at least, from its percentile 5 to 95."""
DARK, BRIGHT = 64, 191
"""Ends of the darkest and the brightest quarter: a picture does not lie within one of them."""

MIN_JUDGED_PIXELS = 512
"""Of fewer pixels, an icon, a percentile is the place of a handful, and is not judged."""

_TAILS = (0.05, 0.95)
_EVEN_TAILS = (0.01, 0.99)
# A picture in black and white has no other levels; of so few, percentiles describe the edges only.
_MIN_INNER_SHARE = 0.005
# Pure black, or pure white, is at most this share of a picture; of radiographs, 0.29.
_MAX_END_SHARE = 0.9

# The range of samples without a window. Each tail may hold defect pixels or part of a marker; one
# that reaches far beyond percentiles 5 and 95, for their distance, is cut there.
_RANGE_TAILS = (0.005, 0.05, 0.95, 0.995)
_TAIL_REACH = 0.5
# An end value (padding, a burned-in marker) is left out if it is farther from the next than all
# others are apart, and these are still this share of the pixels.
_MIN_REST_SHARE = 0.25


def check_picture(image: GrayImage, *, visible: GrayImage | None = None, cause: str = "") -> None:
    """Raise UnusableImage if the grey levels are nearly even, nearly black or nearly white.

    Pure black and pure white are judged apart, because background, collimation, padding and markers
    have them: a white marker on a black image makes no picture, and half a picture is one.

    Args:
        image: uint8 (H, W), 0 to 255.
        visible: uint8 (H, W), 0 where a pixel is padding; None: there is none.
        cause: Completes the message: what may be the reason.
    """
    problem = picture_problem(image, visible=visible)
    if problem:
        raise UnusableImage(f"expected an image that shows a picture, received {problem}{cause}")


def picture_problem(image: GrayImage, *, visible: GrayImage | None = None) -> str | None:
    """Describe why grey levels show no picture, None if they do; arguments as `check_picture`."""
    counts = count_levels(image, 256, visible=visible)
    levels = np.arange(256.0)
    if (used := np.flatnonzero(counts)).size < 2:
        return f"one even grey ({used[0]})" if used.size else "padding only"
    if counts.sum() < MIN_JUDGED_PIXELS:
        return None
    low, high = quantiles(levels, counts, _EVEN_TAILS)
    if high - low < MIN_SPAN:
        return _describe(low, high, 0.98)
    for level, name in ((0, "black"), (255, "white")):
        if (share := counts[level] / counts.sum()) > _MAX_END_SHARE:
            return f"a nearly {name} one: {share:.0%} of its levels are {level} of 255"
    inner = counts.copy()
    inner[[0, 255]] = 0
    if inner.sum() < _MIN_INNER_SHARE * counts.sum():
        return None
    low, high = quantiles(levels, inner, _TAILS)
    if high - low < MIN_SPAN or high < DARK or low > BRIGHT:
        return _describe(low, high, 0.9)
    return None


def _describe(low: float, high: float, share: float) -> str:
    name = "black" if high < DARK else "white" if low > BRIGHT else "even"
    return f"a nearly {name} one: {share:.0%} of its levels lie from {low:g} to {high:g} of 255"


@dataclass(frozen=True)
class SampleRange:
    """The range that samples use: `low` is to become black, `high` white."""

    low: float
    high: float

    def gray_levels(self, values: Floats) -> NDArray[np.uint8]:
        """Return the grey level of each value, uint8, 0 to 255, rounded half up."""
        brightness = np.clip((values - self.low) / (self.high - self.low), 0, 1)
        return np.asarray(np.floor(brightness * 255 + 0.5), np.uint8)


def used_range(values: Floats, counts: Floats) -> SampleRange | None:
    """Return the range that most samples use, None if it has too few different values.

    An end value far from all others is left out, and then half a per cent at each end, or up to
    five where they lie far out.

    Args:
        values: One per code, in any order.
        counts: How many samples have each code.
    """
    order = np.argsort(values, kind="stable")
    order = order[counts[order] > 0]
    values, counts = values[order], counts[order]
    first, end = 0, len(values)
    total = counts.sum()
    while end - first > MIN_SPAN:
        rest = values[end - 2] - values[first + 1]
        below, above = values[first + 1] - values[first], values[end - 1] - values[end - 2]
        if max(below, above) <= rest:
            break
        if above >= below:
            end -= 1
        else:
            first += 1
    if end - first < MIN_SPAN or counts[first:end].sum() < _MIN_REST_SHARE * total:
        return None
    values, counts = values[first:end], counts[first:end]
    lowest, low, high, highest = quantiles(values, counts, _RANGE_TAILS)
    reach = _TAIL_REACH * (high - low)
    low, high = max(lowest, low - reach), min(highest, high + reach)
    if np.count_nonzero((values >= low) & (values <= high)) < MIN_SPAN:
        return None
    return SampleRange(low, high)


def count_levels(
    samples: NDArray[np.unsignedinteger], size: int, *, visible: GrayImage | None = None
) -> Floats:
    """Count the samples of each value, float64 (size,); where `visible` is 0 they don't count."""
    counts = cv2.calcHist([samples], [0], visible, [size], [0, size])
    return np.asarray(counts, np.float64).ravel()


def quantiles(values: Floats, counts: Floats, shares: tuple[float, ...]) -> list[float]:
    """Return quantiles, which occur among `values` (ascending), each given `counts` times."""
    total = np.cumsum(counts)
    return [float(value) for value in values[np.searchsorted(total, np.array(shares) * total[-1])]]
