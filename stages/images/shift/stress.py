"""Images as other hands might have left them: each variant changes the acquisition, not the chest.

For reporting only, on validation images. What is done here is no augmentation, and nothing is
chosen by it. Every variant is a pure function from uint8 (H, W), 0 to 255, to the same shape and
type; lengths are shares of the image's side, so that images of any size suffer alike.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.images.resize import resize
from stages.images.shift.reacquire import centre

Pixels: TypeAlias = NDArray[np.uint8]

JPEG_QUALITY = 30
KEPT_PERCENT = 80
BLUR_SHARE = 0.01
BRIGHTER_LEVELS = 30
FRAME_SHARE = 1 / 8


def reencoded(image: Pixels) -> Pixels:
    """Through a coarse JPEG (libjpeg's quality 30): blocks of 8 x 8 pixels begin to show."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def stretched(image: Pixels) -> Pixels:
    """The middle 80% of the height over the whole height: another width / height than before."""
    height, width = image.shape
    return resize(centre(image, width, _kept(height)), width, height)


def cropped(image: Pixels) -> Pixels:
    """The middle 80% of both sides, enlarged."""
    height, width = image.shape
    return resize(centre(image, _kept(width), _kept(height)), width, height)


def blurred(image: Pixels) -> Pixels:
    """A Gaussian blur, standard deviation 1% of the shorter side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR_SHARE * min(image.shape)), np.uint8)


def brightened(image: Pixels) -> Pixels:
    """30 grey levels more, cut off at 255."""
    return np.minimum(image.astype(np.int16) + BRIGHTER_LEVELS, 255).astype(np.uint8)


def frame_blanked(image: Pixels) -> Pixels:
    """The outer eighth on each side black, with whatever markers stood there."""
    height, width = image.shape
    down, across = round(height * FRAME_SHARE), round(width * FRAME_SHARE)
    blank = np.zeros_like(image)
    inner = (slice(down, height - down), slice(across, width - across))
    blank[inner] = image[inner]
    return blank


VARIANTS: MappingProxyType[str, Callable[[Pixels], Pixels]] = MappingProxyType(
    {
        "re-encoded": reencoded,
        "stretched": stretched,
        "cropped": cropped,
        "blurred": blurred,
        "brightened": brightened,
        "frame blanked": frame_blanked,
    }
)
"""The variants in the order in which they are told."""


def changed(images: Pixels, variant: Callable[[Pixels], Pixels]) -> Pixels:
    """`variant` of each of `images`, uint8 (N, H, W)."""
    return np.stack([variant(np.asarray(image)) for image in images])


def _kept(side: int) -> int:
    return (side * KEPT_PERCENT + 50) // 100
