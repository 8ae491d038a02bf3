"""Change an image as if it had been acquired like another one, its donor.

For validation only. What is taken from a donor here must never become an augmentation: validation
would then only measure how well the network has learned these very changes.
"""

import io
from dataclasses import dataclass
from functools import cached_property

import cv2
from PIL import Image

from stages.engine.arrays import GrayImage
from stages.images.decode import decode
from stages.images.nuisance import sharpness, texture
from stages.images.resize import crop_centre, resize
from stages.sources.header import read_header

# A crop that keeps less than this of a side would cut off lung.
_MIN_KEPT_PERCENT = 60
_CROP_STEP_PERCENT = 3
_SIGMAS = (0.0, *(tenths / 10 for tenths in range(3, 16)))


@dataclass(frozen=True)
class Reacquired:
    """A re-acquired copy of an image.

    Attributes:
        pixels: uint8 (H, W), 0 to 255.
        encoded: The bytes of its JPEG file; None if it has none.
    """

    pixels: GrayImage
    encoded: bytes | None


class ResizedImage:
    """An image of a set in which all were resized to one size and encoded again."""

    def __init__(self, data: bytes) -> None:
        self._pixels = decode(data)

    def reacquire(self, donor: bytes) -> Reacquired:
        """Return the image with the texture and the sharpness of `donor`, an image file.

        The height is cropped about the centre, in steps of 3% down to 60%, and stretched back: the
        crop is chosen whose mean |dx| / mean |dy| is nearest to the donor's. Then a Gaussian blur
        is chosen, none or sigma 0.3 to 1.5 by 0.1, whose mean |Laplacian| is nearest. As blur
        changes the first number too, the crop is chosen once more with that blur.

        Choosing the first step that passes the donor's value does not work: every copy then lies
        beyond its donor, and so the two numbers separate the classes again.
        """
        donor_pixels = decode(donor)
        donor_texture, donor_sharpness = texture(donor_pixels), sharpness(donor_pixels)
        crop = self._crops[_nearest([texture(each) for each in self._crops], donor_texture)]
        sharpnesses = [sharpness(_blur(crop, sigma)) for sigma in _SIGMAS]
        sigma = _SIGMAS[_nearest(sharpnesses, donor_sharpness)]
        blurred = [_blur(each, sigma) for each in self._crops]
        return Reacquired(
            blurred[_nearest([texture(each) for each in blurred], donor_texture)], None
        )

    @cached_property
    def _crops(self) -> list[GrayImage]:
        height, width = self._pixels.shape
        kept = range(100, _MIN_KEPT_PERCENT - 1, -_CROP_STEP_PERCENT)
        return [
            resize(crop_centre(self._pixels, width, (height * percent + 50) // 100), width, height)
            for percent in kept
        ]


class NativeImage:
    """An image in the size and encoding that it was acquired with."""

    def __init__(self, data: bytes) -> None:
        self._pixels = decode(data)

    def reacquire(self, donor: bytes) -> Reacquired:
        """Return the image with the size and JPEG quantisation of `donor`, an image file.

        It is cropped about the centre to the donor's width / height, down to 60% of a side and
        stretched for the rest; resized to the donor's size; encoded with the donor's luminance
        table and decoded again. A donor that is no JPEG leaves no trace of an encoding.
        """
        header = read_header(donor)
        height, width = self._pixels.shape
        percent = _MIN_KEPT_PERCENT
        crop_width = max(height * header.width // header.height, (width * percent + 99) // 100)
        crop_height = max(width * header.height // header.width, (height * percent + 99) // 100)
        crop = crop_centre(self._pixels, min(width, crop_width), min(height, crop_height))
        pixels = resize(crop, header.width, header.height)
        if header.jpeg_table is None:
            return Reacquired(pixels, None)
        encoded = encode_jpeg(pixels, header.jpeg_table)
        return Reacquired(decode(encoded), encoded)


def encode_jpeg(image: GrayImage, table: tuple[int, ...]) -> bytes:
    """Encode uint8 (H, W) as a grey JPEG with this luminance quantisation table (64 integers)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", qtables=[list(table)])
    return buffer.getvalue()


def _blur(image: GrayImage, sigma: float) -> GrayImage:
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image


def _nearest(values: list[float], target: float) -> int:
    """Return the index of the value nearest to `target`, the first of equally near ones."""
    return min(range(len(values)), key=lambda index: abs(values[index] - target))
