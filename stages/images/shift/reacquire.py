"""An image as if it had been acquired like another one, its donor.

For validation only: what is taken from a donor here must never become an augmentation, or the
validation would only ask whether the network has seen its own questions.
"""

import io
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.images.decode import decode
from stages.images.resize import resize
from stages.images.scalars import sharpness, texture
from stages.sources.header import read_header

# A crop that keeps less than this of a side would lose lung.
_LEAST_KEPT_PERCENT = 60
_CROP_STEP_PERCENT = 3
_SIGMAS = (0.0, *(tenths / 10 for tenths in range(3, 16)))


@dataclass(frozen=True)
class Copy:
    """A re-acquired image: `pixels` uint8 (H, W), and `encoded`, its new file, if it has one."""

    pixels: NDArray[np.uint8]
    encoded: bytes | None


class PixelImage:
    """An image of which only pixels are left: all of one size, re-encoded by a later hand."""

    def __init__(self, data: bytes) -> None:
        self._pixels = decode(data)

    def like(self, donor: bytes) -> Copy:
        """The image with the texture and the sharpness of `donor`, an image's file.

        The height is cropped about the centre, 3% at a time to no less than 60%, and stretched
        back: the crop is taken whose mean |dx| / mean |dy| is nearest to the donor's. Then a
        Gaussian blur, none or sigma 0.3 to 1.5 by 0.1, the one whose mean |Laplacian| is nearest.
        Blur moves the first number too, so the crop is chosen once more with that blur.
        (Taking the first step that passes the donor's value instead leaves every copy on the
        far side of its donor, and so the two numbers told the classes apart again.)
        """
        model = decode(donor)
        wanted, sharp = texture(model), sharpness(model)
        crop = _nearest([texture(pixels) for pixels in self._crops], wanted)
        sigma = _SIGMAS[_nearest([sharpness(_blur(self._crops[crop], s)) for s in _SIGMAS], sharp)]
        blurred = [_blur(pixels, sigma) for pixels in self._crops]
        return Copy(blurred[_nearest([texture(pixels) for pixels in blurred], wanted)], None)

    @cached_property
    def _crops(self) -> list[NDArray[np.uint8]]:
        height, width = self._pixels.shape
        kept = range(100, _LEAST_KEPT_PERCENT - 1, -_CROP_STEP_PERCENT)
        return [
            resize(centre(self._pixels, width, (height * percent + 50) // 100), width, height)
            for percent in kept
        ]


class NativeImage:
    """An image at the size and in the encoding that it was acquired with."""

    def __init__(self, data: bytes) -> None:
        self._pixels = decode(data)

    def like(self, donor: bytes) -> Copy:
        """The image with the size and JPEG quantisation of `donor`, an image's file.

        Cropped about the centre to the donor's width / height (to no less than 60% of a
        side; what is then missing is stretched), resized to the donor's size, encoded with the
        donor's luminance table and decoded again. A donor that is no JPEG leaves no such trace.
        """
        model = read_header(donor)
        height, width = self._pixels.shape
        least = _LEAST_KEPT_PERCENT
        wanted_width = max(height * model.width // model.height, (width * least + 99) // 100)
        wanted_height = max(width * model.height // model.width, (height * least + 99) // 100)
        kept = centre(self._pixels, min(width, wanted_width), min(height, wanted_height))
        pixels = resize(kept, model.width, model.height)
        if model.jpeg_table is None:
            return Copy(pixels, None)
        encoded = encode_jpeg(pixels, model.jpeg_table)
        return Copy(decode(encoded), encoded)


def centre(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The middle `height` rows and `width` columns of uint8 (H, W)."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def _blur(pixels: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    return cv2.GaussianBlur(pixels, (0, 0), sigma) if sigma else pixels


def _nearest(values: list[float], wanted: float) -> int:
    """Index of the value nearest to `wanted`; of two as near, the first."""
    return min(range(len(values)), key=lambda index: abs(values[index] - wanted))


def encode_jpeg(pixels: NDArray[np.uint8], table: tuple[int, ...]) -> bytes:
    """uint8 (H, W) as a grey JPEG with this luminance quantisation table (64 integers)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", qtables=[list(table)])
    return buffer.getvalue()
