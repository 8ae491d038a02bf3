"""Copies of an image that no longer show what it shows: turned, cut, inverted, framed, blurred.

The domain is fitted with them, and judged with other kinds as well (`studies.domain`). What a copy
looks like is a function of its generator.
"""

from collections.abc import Callable
from types import MappingProxyType

import cv2
import numpy as np

from stages.engine.arrays import GrayImage
from stages.images.resize import resize

Change = Callable[[GrayImage, np.random.Generator], GrayImage]
"""From an image, uint8 (H, W), 0 to 255, to another of the same shape and dtype."""


def window(image: GrayImage, top: float, bottom: float, left: float, right: float) -> GrayImage:
    """Enlarge a window, given in shares of the sides, to the size of the image."""
    height, width = image.shape
    rows, columns = (
        slice(round(low * side), max(round(high * side), round(low * side) + 1))
        for low, high, side in ((top, bottom, height), (left, right, width))
    )
    return resize(np.ascontiguousarray(image[rows, columns]), width, height)


def _small_window(image: GrayImage, draws: np.random.Generator) -> GrayImage:
    """A window of 12% to 40% of the area, anywhere."""
    area, shape = draws.uniform(0.12, 0.4), draws.uniform(0.67, 1.5)
    height, width = min(1.0, np.sqrt(area * shape)), min(1.0, np.sqrt(area / shape))
    top, left = draws.uniform(0, 1 - height), draws.uniform(0, 1 - width)
    return window(image, top, top + height, left, left + width)


def _framed(image: GrayImage, draws: np.random.Generator) -> GrayImage:
    """The image at 30% to 70% of its size, somewhere on a plain ground with bars and lines."""
    height, width = image.shape
    ground = np.full_like(image, draws.integers(256))
    share = draws.uniform(0.3, 0.7)
    small = resize(image, max(1, round(share * width)), max(1, round(share * height)))
    for _ in range(draws.integers(6)):
        row, thick = draws.integers(height), draws.integers(1, 1 + max(1, height // 12))
        ground[row : row + thick] = draws.integers(256)
    row = draws.integers(height - small.shape[0] + 1)
    column = draws.integers(width - small.shape[1] + 1)
    ground[row : row + small.shape[0], column : column + small.shape[1]] = small
    return ground


def _blurred(image: GrayImage, draws: np.random.Generator) -> GrayImage:
    """Blurred by a standard deviation of 4% to 12% of the side: no lung can be judged."""
    deviation = draws.uniform(0.04, 0.12) * min(image.shape)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.uint8)


def _turned(image: GrayImage, quarters: int) -> GrayImage:
    """Turned to the left by so many times 90 degrees."""
    height, width = image.shape
    return resize(np.ascontiguousarray(np.rot90(image, quarters)), width, height)


KINDS: MappingProxyType[str, Change] = MappingProxyType(
    {
        "upside down": lambda image, _: image[::-1],
        "turned by 180 degrees": lambda image, _: image[::-1, ::-1],
        "turned left": lambda image, _: _turned(image, 1),
        "turned right": lambda image, _: _turned(image, 3),
        "inverted": lambda image, _: 255 - image,
        "left half": lambda image, _: window(image, 0, 1, 0, 0.5),
        "right half": lambda image, _: window(image, 0, 1, 0.5, 1),
        "upper half": lambda image, _: window(image, 0, 0.5, 0, 1),
        "lower half": lambda image, _: window(image, 0.5, 1, 0, 1),
        "small window": _small_window,
        "framed": _framed,
        "blurred": _blurred,
    }
)
"""The kinds that the domain is fitted with, by what is wrong with the copy."""


def copy(image: GrayImage, kind: str, draws: np.random.Generator) -> GrayImage:
    """Return the wrong copy of an image, uint8 (H, W), 0 to 255, of one of KINDS."""
    return np.ascontiguousarray(KINDS[kind](np.asarray(image), draws))
