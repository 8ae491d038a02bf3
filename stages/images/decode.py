"""Bytes to 8-bit grey pixels: one library, one full decode."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.sources.header import read_header

MAX_PIXELS = 100_000_000
MIN_SIDE = 16
# A 12-bit film in a 16-bit file would come out nearly black, and quietly.
_DARK_16_BIT = 2**12


def decode(data: bytes) -> NDArray[np.uint8]:
    """Grey pixels, uint8 (H, W), 0 to 255, of a JPEG or PNG file.

    EXIF orientation is applied, colour becomes luminance (Rec. 601), 16-bit samples are scaled
    to 8 bits over their full range, transparency is ignored, and so is an ICC profile: in
    the training films of Kermany et al. only one class carries it. The size is checked
    before any pixel is decoded.

    Raises InputError with the reason, without the file's name, which the caller knows. A JPEG
    that is damaged inside but complete can't be told from an odd film by its decoder; the
    checksums of archive and index cover that.
    """
    header = read_header(data)
    if header.width * header.height > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS:,} pixels, received {header.width} x {header.height}"
        )
    if min(header.width, header.height) < MIN_SIDE:
        raise InputError(
            f"expected a film of at least {MIN_SIDE} x {MIN_SIDE} pixels, received "
            f"{header.width} x {header.height}"
        )
    if header.frames != 1:
        raise InputError(f"expected one picture, received an animation of {header.frames}")
    pixels = _decoded(data)
    if pixels is None:
        raise InputError("the file is cut short or damaged: its pixels can't be decoded")
    darkest, brightest, _, _ = cv2.minMaxLoc(pixels)
    if darkest == brightest:
        raise InputError(f"expected a film, received one even grey ({darkest:g})")
    return pixels


def _decoded(data: bytes) -> NDArray[np.uint8] | None:
    try:
        pixels = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
        )
    except cv2.error:  # most failures give None, a few of the PNG reader's raise
        return None
    if pixels is None or pixels.dtype == np.uint8:
        return pixels
    return _eight_bits(pixels)


def _eight_bits(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """16-bit samples to 0-255, rounded; the PNG standard's scaling."""
    if pixels.max() < _DARK_16_BIT:
        raise InputError(
            "expected 16-bit samples over their range, received none above "
            f"{pixels.max()} of 65535: scale the film to 8 bits, or to all 16"
        )
    return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
