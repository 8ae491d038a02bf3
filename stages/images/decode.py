"""Bytes to 8-bit grey pixels: one full decode, the same wherever an image is met."""

import contextlib

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.images.dicom import decode_dicom
from stages.sources.dicom.tags import is_dicom
from stages.sources.header import read_header

# A detector of 43 cm with pixels of 0.1 mm has 18 million; 16-bit samples of this many, 0.2 GB.
MAX_PIXELS = 100_000_000
MIN_SIDE = 16
# A 12-bit image in a 16-bit file would come out nearly black, and quietly.
_DARK_16_BIT = 2**12


def decode(data: bytes) -> NDArray[np.uint8]:
    """Grey pixels, uint8 (H, W), 0 to 255, of a JPEG, PNG or DICOM file.

    EXIF orientation is applied, colour becomes luminance (Rec. 601), 16-bit samples are scaled
    to 8 bits over their full range, transparency is ignored, and so is an ICC profile: in
    the training images of Kermany et al. only one class carries it. What happens to DICOM samples,
    `decode_dicom` tells. The size is checked before any pixel is decoded.

    Raises InputError with the reason, without the file's name, which the caller knows. Damage
    inside a complete JPEG is noticed where it leaves the decoder out of step, as a lost sector
    does; a byte that was changed may pass, and only the checksums of archive and index cover that.
    """
    header = read_header(data)
    if header.width * header.height > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS:,} pixels, received {header.width} x {header.height}"
        )
    if min(header.width, header.height) < MIN_SIDE:
        raise InputError(
            f"expected an image of at least {MIN_SIDE} x {MIN_SIDE} pixels, received "
            f"{header.width} x {header.height}"
        )
    if header.frames != 1:
        raise InputError(f"expected one picture, received an animation of {header.frames}")
    if is_dicom(data):
        pixels = decode_dicom(data, most_pixels=MAX_PIXELS)
    elif header.jpeg_table and header.mode in ("L", "RGB") and header.orientation == 1:
        pixels = _jpeg(data)
    else:
        pixels = _decoded(data)
    darkest, brightest, _, _ = cv2.minMaxLoc(pixels)
    if darkest == brightest:
        raise InputError(f"expected an image, received one even grey ({darkest:g})")
    return pixels


def _jpeg(data: bytes) -> NDArray[np.uint8]:
    """OpenCV's pixels, bit for bit; but OpenCV takes no notice of what its decoder warns of."""
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "GRAY", strict=True))[:, :, 0]
    except ValueError as error:
        raise InputError(f"the file is cut short or damaged ({error})") from None


def _decoded(data: bytes) -> NDArray[np.uint8]:
    pixels, how = None, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
    with contextlib.suppress(cv2.error):  # most failures give None, a few of the PNG reader's raise
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if pixels is None:
        raise InputError("the file is cut short or damaged: its pixels can't be decoded")
    return np.asarray(pixels) if pixels.dtype == np.uint8 else _eight_bits(pixels)


def _eight_bits(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """16-bit samples to 0-255, rounded; the PNG standard's scaling."""
    if pixels.max() < _DARK_16_BIT:
        raise InputError(
            "expected 16-bit samples over their range, received none above "
            f"{pixels.max()} of 65535: scale the image to 8 bits, or to all 16"
        )
    return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
