"""Decode DICOM pixels to 8-bit grey: decompress, apply window and inversion, make pixels square.

Follows DICOM PS3.3 C.7.6.3 (pixels), C.11.1 (modality LUT) and C.11.2 (VOI LUT). Stored values
have 16 bits at most, so the way from a value to its grey level is one look-up table, computed in
float64 and rounded once.

pydicom's `apply_modality_lut`, `apply_voi` and `apply_windowing` are not used: they wrap the index
into a table of 8-bit entries at 256, fail on modality tables of other than 8 or 16 bits, ignore an
intercept without a slope, and truncate rescaled values before a table look-up.
"""

import struct
from collections.abc import Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats, GrayImage, Numbers
from stages.engine.errors import UnusableImage
from stages.sources.dicom import tags as dicom
from stages.sources.dicom import transfer_syntax
from stages.sources.dicom.tags import DicomImage

Tags: TypeAlias = Mapping[str, Any]
"""Values of DICOM tags by keyword, as `DicomImage.tags`."""

MIN_USED_SHARE = 1 / 16
"""An image without a window that uses less of its range would come out nearly black."""


def decode_dicom(data: bytes, *, max_pixels: int) -> GrayImage:
    """Decode a DICOM file to grey pixels, uint8 (H, W), 0 to 255, which are square.

    The rescale (or modality LUT) comes first, then the VOI LUT or the first window; MONOCHROME1 is
    inverted. Without a window the whole range of the stored bits is used, as for a 16-bit PNG.

    Args:
        data: The file.
        max_pixels: Larger images are refused before they are decompressed.

    Raises:
        UnusableImage: With the reason: several frames, colour, an unsupported transfer syntax, too
            many pixels, or damage.
    """
    image = dicom.read(data)
    image.check_usable()
    rows, columns = image.stored_shape
    if rows * columns > max_pixels:
        raise UnusableImage(f"expected at most {max_pixels:,} pixels, received {columns} x {rows}")
    samples = _read_samples(image)
    bits = image.tags["BitsStored"]
    codes = samples & np.array((1 << bits) - 1, samples.dtype)
    pixels: GrayImage = gray_levels(image.tags)[codes]
    if bits > 8 and not _is_windowed(image.tags):
        _check_contrast(pixels, bits)
    width, height = image.display_size
    if (height, width) != pixels.shape:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return pixels


def gray_levels(tags: Tags) -> NDArray[np.uint8]:
    """Return the grey level of each stored code, uint8 (2^bits,), 0 to 255, rounded half up.

    A code is the pattern of the stored bits: with signed samples the upper half is negative.
    """
    bits = tags["BitsStored"]
    stored = np.arange(1 << bits, dtype=np.float64)
    if tags.get("PixelRepresentation", 0):
        stored[1 << (bits - 1) :] -= 1 << bits
    values, lowest, highest = _apply_modality(stored, tags)
    if table := tags.get("VOILUTSequence"):
        brightness = _look_up(values, table) / ((1 << table[2]) - 1)
    elif _is_windowed(tags):
        function = tags.get("VOILUTFunction", "LINEAR")
        brightness = apply_window(values, tags["WindowCenter"], tags["WindowWidth"], function)
    else:
        brightness = (values - lowest) / (highest - lowest)
    if tags["PhotometricInterpretation"] == "MONOCHROME1":
        brightness = 1 - brightness
    return np.asarray(np.floor(brightness * 255 + 0.5), np.uint8)


def apply_window(values: Floats, centre: float, width: float, function: str) -> Floats:
    """Return the brightness of each value, 0 to 1 (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Args:
        values: After the rescale.
        centre: Of the window.
        width: Of the window.
        function: LINEAR, LINEAR_EXACT or SIGMOID.

    Raises:
        UnusableImage: The width is less than the function allows.
    """
    if not (width >= 1 if function == "LINEAR" else width > 0):
        raise UnusableImage(f"expected a window of a positive width, received {width:g}")
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - centre) / width, -700, 700)
        return np.asarray(1 / (1 + np.exp(exponent)))
    if function == "LINEAR":  # the standard's window reaches from edge to edge of whole values
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return np.asarray(values > centre, np.float64)
    return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1))


def _apply_modality(stored: Floats, tags: Tags) -> tuple[Floats, float, float]:
    """Return the values in the device's units, and the ends of their range."""
    if table := tags.get("ModalityLUTSequence"):
        return _look_up(stored, table), 0, (1 << table[2]) - 1
    slope, intercept = tags.get("RescaleSlope", 1.0), tags.get("RescaleIntercept", 0.0)
    if slope == 0:
        raise UnusableImage("expected a rescale slope other than 0")
    values = stored * slope + intercept
    return values, float(values.min()), float(values.max())


def _look_up(values: Floats, table: tuple[int, ...]) -> Floats:
    """Look values up in a table of `DicomImage`; those beyond it get its first or last entry."""
    count, first, _, *entries = table
    index = np.clip(np.floor(values + 0.5) - first, 0, count - 1).astype(np.int64)
    return np.asarray(np.array(entries, np.float64)[index])


def _is_windowed(tags: Tags) -> bool:
    return "VOILUTSequence" in tags or {"WindowWidth", "WindowCenter"} <= set(tags)


def _check_contrast(pixels: GrayImage, bits: int) -> None:
    used = (int(pixels.max()) - int(pixels.min())) / 255
    if used < MIN_USED_SHARE:
        raise UnusableImage(
            f"expected a window, or samples over the range of {bits} bits, received samples that "
            f"use {used:.1%} of it"
        )


def _read_samples(image: DicomImage) -> NDArray[np.unsignedinteger[Any]]:
    """Return the stored samples, uint8 or uint16 (rows, columns), with unused and sign bits."""
    rows, columns = image.stored_shape
    dtype = np.dtype("<u2" if image.tags["BitsAllocated"] == 16 else "u1")
    if not image.pixel_data:
        raise UnusableImage("expected a DICOM image, received one without pixel data")
    if image.syntax == transfer_syntax.EXPLICIT:
        size = rows * columns * dtype.itemsize
        if len(image.pixel_data) < size:
            raise UnusableImage(
                f"the DICOM file is cut short: expected {size:,} bytes of pixels, received "
                f"{len(image.pixel_data):,}"
            )
        return np.frombuffer(image.pixel_data, dtype, rows * columns).reshape(rows, columns)
    frame = _join_fragments(image.pixel_data)
    if image.syntax != transfer_syntax.RLE:
        _check_codestream(frame, image)
    samples = _decompress(frame, image, dtype)
    if samples.shape != (rows, columns) or samples.dtype.kind not in "ui":
        raise UnusableImage(
            f"expected {columns} x {rows} grey samples in the compressed picture, received "
            f"{' x '.join(map(str, samples.shape))} of {samples.dtype}"
        )
    return samples.view(f"u{samples.itemsize}").astype(dtype, copy=False)


def _join_fragments(encapsulated: bytes) -> bytes:
    """Return the fragments of the only frame as one string of bytes."""
    from pydicom.encaps import get_frame

    try:
        return bytes(get_frame(encapsulated, 0, number_of_frames=1))
    except Exception as error:  # noqa: BLE001 - a broken sequence of items raises anything
        raise UnusableImage(
            f"the DICOM file is cut short or damaged ({type(error).__name__})"
        ) from None


def _check_codestream(frame: bytes, image: DicomImage) -> None:
    """Refuse a picture of another size, or without an end, before it is decompressed."""
    found = (
        _jpeg_2000_size(frame) if image.syntax in transfer_syntax.JPEG_2000 else _jpeg_size(frame)
    )
    rows, columns = image.stored_shape
    if found != (columns, rows, 1):
        received = "no size" if found is None else "{} x {} and {} components".format(*found)
        raise UnusableImage(
            f"expected a compressed picture of {columns} x {rows} grey pixels, received {received}"
        )
    if not frame.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise UnusableImage("the DICOM file is cut short: its compressed picture has no end")


def _jpeg_size(frame: bytes) -> tuple[int, int, int] | None:
    """Read width, height and components of a JPEG or JPEG-LS picture from its frame header."""
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 10 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        (length,) = struct.unpack_from(">H", frame, position + 2)
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width, components = struct.unpack_from(">HHB", frame, position + 5)
            return width, height, components
        else:
            position += 2 + length
    return None


def _jpeg_2000_size(frame: bytes) -> tuple[int, int, int] | None:
    """Read width, height and components of a JPEG 2000 codestream from its SIZ segment."""
    if frame[:4] != b"\xff\x4f\xff\x51" or len(frame) < 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
    return right - left, bottom - top, struct.unpack_from(">H", frame, 40)[0]


def _decompress(frame: bytes, image: DicomImage, dtype: np.dtype[Any]) -> Numbers:
    import imagecodecs

    rows, columns = image.stored_shape
    try:
        if image.syntax == transfer_syntax.RLE:
            buffer = bytearray(rows * columns * dtype.itemsize)  # decoding more than fits raises
            found = imagecodecs.dicomrle_decode(frame, dtype, out=buffer)
            samples = np.frombuffer(found, dtype).reshape(rows, columns)
        elif image.syntax in transfer_syntax.JPEG_2000:
            samples = imagecodecs.jpeg2k_decode(frame)
        elif image.syntax in transfer_syntax.JPEG_LS:
            samples = imagecodecs.jpegls_decode(frame)
        else:
            samples = imagecodecs.jpeg8_decode(frame)
    except Exception as error:  # noqa: BLE001 - each codec has exceptions of its own
        raise UnusableImage(
            f"the DICOM file is cut short or damaged ({type(error).__name__})"
        ) from None
    return np.asarray(samples)
