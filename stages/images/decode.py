"""Decode an image file to 8-bit grey pixels, in the same way wherever an image is used."""

import contextlib

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from stages.engine.arrays import GrayImage
from stages.engine.errors import UnusableImage
from stages.images.dicom import decode_dicom
from stages.images.levels import check_picture, count_levels, picture_problem, used_range
from stages.sources.dicom.tags import is_dicom
from stages.sources.header import Header, read_header

# A detector of 43 cm with pixels of 0.1 mm has 18 million; 16-bit samples of this many, 0.2 GB.
MAX_PIXELS = 100_000_000
MIN_SIDE = 16


def decode(data: bytes) -> GrayImage:
    """Decode a JPEG, PNG or DICOM file to grey pixels, uint8 (H, W), 0 to 255.

    EXIF orientation is applied, colour becomes luminance (Rec. 601), and transparency is ignored.
    So is an ICC profile: in the training images of Kermany et al. only one class has it. 16-bit
    samples are scaled to 8 bits over their full range; where that shows no picture, over the range
    that they use. For DICOM see `decode_dicom`. The size is checked before any pixel is decoded,
    and the finished grey levels are judged (`levels.check_picture`).

    Damage inside a complete JPEG is detected where it makes the decoder lose step, as a lost
    sector does. A changed byte may pass; only the checksums of archive and index cover that.

    Raises:
        UnusableImage: With the reason, and without the file's name, which the caller knows.
    """
    header = read_header(data)
    _check_size(header)
    if is_dicom(data):
        return decode_dicom(data, max_pixels=MAX_PIXELS)
    if header.jpeg_table and header.mode in ("L", "RGB") and header.orientation == 1:
        image = _decode_jpeg(data)
    else:
        image = _decode_with_opencv(data)
    check_picture(image)
    return image


def decode_mask(data: bytes) -> GrayImage:
    """Decode a PNG that marks pixels, uint8 (H, W), 0 to 255: it shows no picture.

    Raises:
        UnusableImage: With the reason, as `decode`.
    """
    _check_size(read_header(data))
    return _decode_with_opencv(data)


def _check_size(header: Header) -> None:
    size = f"{header.width} x {header.height}"
    if header.width * header.height > MAX_PIXELS:
        raise UnusableImage(f"expected at most {MAX_PIXELS:,} pixels, received {size}")
    if min(header.width, header.height) < MIN_SIDE:
        raise UnusableImage(
            f"expected an image of at least {MIN_SIDE} x {MIN_SIDE} pixels, received {size}"
        )
    if header.frames != 1:
        raise UnusableImage(f"expected one picture, received an animation of {header.frames}")


def _decode_jpeg(data: bytes) -> GrayImage:
    """Decode a JPEG to the same pixels as OpenCV, which ignores its decoder's warnings, though."""
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "GRAY", strict=True))[:, :, 0]
    except ValueError as error:
        raise UnusableImage(f"the file is cut short or damaged ({error})") from None


def _decode_with_opencv(data: bytes) -> GrayImage:
    pixels, flags = None, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
    with contextlib.suppress(cv2.error):  # most failures return None; some of the PNG reader raise
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise UnusableImage("the file is cut short or damaged: its pixels can't be decoded")
    return np.asarray(pixels) if pixels.dtype == np.uint8 else _scale_16_bit(pixels)


def _scale_16_bit(samples: NDArray[np.uint16]) -> GrayImage:
    """Scale 16-bit samples to 0 to 255, rounded, as the PNG standard does.

    If that shows no picture, as with 12 bits in a file of 16, the range in use is scaled instead.
    """
    image = ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if picture_problem(image) is None:
        return image
    codes = np.arange(65536.0)
    found = used_range(codes, count_levels(samples, 65536))
    return image if found is None else found.gray_levels(codes)[samples]
