"""Resize grey images."""

import cv2
import numpy as np

from stages.engine.arrays import GrayImage
from stages.images.options import PixelOptions


def fit_square(image: GrayImage, options: PixelOptions) -> GrayImage:
    """Resize uint8 (H, W) to uint8 (image_px, image_px), stretched or with black bars."""
    side = options.image_px
    if options.aspect == "stretch":
        return resize(image, side, side)
    height, width = image.shape
    longer = max(height, width)
    scaled = resize(
        image, max(1, round(width * side / longer)), max(1, round(height * side / longer))
    )
    square = np.zeros((side, side), np.uint8)
    top, left = (side - scaled.shape[0]) // 2, (side - scaled.shape[1]) // 2
    square[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return square


def resize(image: GrayImage, width: int, height: int) -> GrayImage:
    """Resize uint8 (H, W) to uint8 (height, width): by area averaging down, linearly up.

    Area averaging is exact and does not alias. Where one axis grows and the other shrinks, OpenCV
    would interpolate both linearly without a warning, so the shrinking axes are resized first.
    """
    down_width, down_height = min(width, image.shape[1]), min(height, image.shape[0])
    if (down_height, down_width) != image.shape:
        image = cv2.resize(image, (down_width, down_height), interpolation=cv2.INTER_AREA)
    if (height, width) != image.shape:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def crop_centre(image: GrayImage, width: int, height: int) -> GrayImage:
    """Return the middle `height` rows and `width` columns of uint8 (H, W), contiguous."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])
