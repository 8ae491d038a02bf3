"""Stress variants: images as another acquisition might have left them, with the same chest.

For reporting on validation images only. They are no augmentation, and nothing is chosen by them.
Every variant is a pure function from uint8 (H, W), 0 to 255, to the same shape and dtype; lengths
are shares of the image's side, so images of any size change alike.
"""

from collections.abc import Callable
from types import MappingProxyType

import cv2
import numpy as np

from stages.engine.arrays import GrayImage, GrayImages
from stages.images.resize import crop_centre, resize

JPEG_QUALITY = 30
KEPT_PERCENT = 80
BLUR_SHARE = 0.01
BRIGHTER_LEVELS = 30
FRAME_SHARE = 1 / 8


def reencode(image: GrayImage) -> GrayImage:
    """Encode as a coarse JPEG (libjpeg's quality 30), where blocks of 8 x 8 become visible."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def stretch(image: GrayImage) -> GrayImage:
    """Stretch the middle 80% of the height over the whole height, which changes the aspect."""
    height, width = image.shape
    return resize(crop_centre(image, width, _kept(height)), width, height)


def crop(image: GrayImage) -> GrayImage:
    """Enlarge the middle 80% of both sides."""
    height, width = image.shape
    return resize(crop_centre(image, _kept(width), _kept(height)), width, height)


def blur(image: GrayImage) -> GrayImage:
    """Apply a Gaussian blur with a standard deviation of 1% of the shorter side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR_SHARE * min(image.shape)), np.uint8)


def brighten(image: GrayImage) -> GrayImage:
    """Add 30 grey levels, up to 255."""
    return np.minimum(image.astype(np.int16) + BRIGHTER_LEVELS, 255).astype(np.uint8)


def blank_frame(image: GrayImage) -> GrayImage:
    """Set the outer eighth on each side to black, with any markers there."""
    height, width = image.shape
    down, across = round(height * FRAME_SHARE), round(width * FRAME_SHARE)
    blank = np.zeros_like(image)
    inner = (slice(down, height - down), slice(across, width - across))
    blank[inner] = image[inner]
    return blank


VARIANTS: MappingProxyType[str, Callable[[GrayImage], GrayImage]] = MappingProxyType(
    {
        "re-encoded": reencode,
        "stretched": stretch,
        "cropped": crop,
        "blurred": blur,
        "brightened": brighten,
        "frame blanked": blank_frame,
    }
)
"""Variants by name, in the order of the report."""


def apply_variant(images: GrayImages, variant: Callable[[GrayImage], GrayImage]) -> GrayImages:
    """Apply a variant to each of `images`, uint8 (N, H, W)."""
    return np.stack([variant(np.asarray(image)) for image in images])


def _kept(side: int) -> int:
    return (side * KEPT_PERCENT + 50) // 100
