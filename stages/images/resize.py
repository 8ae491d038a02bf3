"""The one road for pixels: every image goes through `prepare`, to be learned from or judged."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.images.decode import decode
from stages.images.options import PixelOptions


def prepare(data: bytes, options: PixelOptions) -> NDArray[np.uint8]:
    """An image's file to the network's pixels: uint8 (image_px, image_px), 0 to 255.

    Raises InputError with the reason where the image can't be used (`decode.decode`).
    """
    return fit(decode(data), options)


def fit(pixels: NDArray[np.uint8], options: PixelOptions) -> NDArray[np.uint8]:
    """Grey pixels uint8 (H, W) to uint8 (image_px, image_px), stretched or with black bars."""
    side = options.image_px
    if options.aspect == "stretch":
        return resize(pixels, side, side)
    height, width = pixels.shape
    longer = max(height, width)
    shown = resize(
        pixels, max(1, round(width * side / longer)), max(1, round(height * side / longer))
    )
    square = np.zeros((side, side), np.uint8)
    top, left = (side - shown.shape[0]) // 2, (side - shown.shape[1]) // 2
    square[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return square


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """uint8 (H, W) to uint8 (height, width): area averaging down, linear interpolation up.

    Averaging over areas is exact and does not alias. Where an axis grows there is no area to
    average, and OpenCV would quietly interpolate both axes, also the one that shrinks; so the
    shrinking axes go first.
    """
    down_width, down_height = min(width, pixels.shape[1]), min(height, pixels.shape[0])
    if (down_height, down_width) != pixels.shape:
        pixels = cv2.resize(pixels, (down_width, down_height), interpolation=cv2.INTER_AREA)
    if (height, width) != pixels.shape:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels
