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
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats, GrayImage, Numbers
from stages.engine.errors import UnusableImage
from stages.images.levels import (
    SampleRange,
    check_picture,
    count_levels,
    picture_problem,
    used_range,
)
from stages.images.stored_bits import Codes, to_codes
from stages.sources.dicom import tags as dicom
from stages.sources.dicom import transfer_syntax
from stages.sources.dicom.tags import DicomImage

Tags: TypeAlias = Mapping[str, Any]
"""Values of DICOM tags by keyword, as `DicomImage.tags`."""


def decode_dicom(data: bytes, *, max_pixels: int) -> GrayImage:
    """Decode a DICOM file to grey pixels, uint8 (H, W), 0 to 255, which are square.

    The rescale (or modality LUT) comes first, then the VOI LUT or the first window; MONOCHROME1
    and the presentation LUT shape INVERSE are inverted. Without a window the whole range of the
    stored bits is used, as for a 16-bit PNG; if that shows no picture, the range that the samples
    use. Padding is black.

    Args:
        data: The file.
        max_pixels: Larger images are refused before they are decompressed.

    Raises:
        UnusableImage: With the reason: several frames, colour, an unsupported transfer syntax, too
            many pixels, damage, or grey levels that show no picture.
    """
    image = dicom.read(data)
    image.check_usable()
    rows, columns = image.stored_shape
    if rows * columns > max_pixels:
        raise UnusableImage(f"expected at most {max_pixels:,} pixels, received {columns} x {rows}")
    stored = _read_codes(image)
    pixels = _apply_levels(stored, image.tags)
    width, height = image.display_size
    if (height, width) != pixels.shape:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return pixels


def _apply_levels(stored: Codes, tags: Tags) -> GrayImage:
    """Return the grey levels of codes, uint8 (rows, columns), padding black."""
    tags = {**tags, "BitsStored": stored.bits, "PixelRepresentation": int(stored.signed)}
    visible = None if stored.padding is None else np.asarray(~stored.padding, np.uint8)

    def displayed(used: SampleRange | None = None) -> GrayImage:
        pixels: GrayImage = gray_levels(tags, used)[stored.codes]
        if stored.padding is not None:
            pixels[stored.padding] = 0
        return pixels

    pixels = displayed()
    if not _is_windowed(tags) and picture_problem(pixels, visible=visible):
        values, _, _ = _apply_modality(_stored_values(tags), tags)
        counts = count_levels(stored.codes, 1 << stored.bits, visible=visible)
        if (used := used_range(values, counts)) is not None:
            pixels = displayed(used)
    check_picture(pixels, visible=visible, cause=_cause(tags))
    return pixels


def _cause(tags: Tags) -> str:
    """Name what decides the grey levels of an image that shows no picture."""
    if "VOILUTSequence" in tags:
        return "; its VOI LUT does not fit its samples"
    if _is_windowed(tags):
        return (
            f"; its window (centre {tags['WindowCenter']:g}, width {tags['WindowWidth']:g}) does "
            "not fit its samples"
        )
    return f"; it has no window, and its samples of {tags['BitsStored']} bits hardly differ"


def gray_levels(tags: Tags, used: SampleRange | None = None) -> NDArray[np.uint8]:
    """Return the grey level of each stored code, uint8 (2^bits,), 0 to 255, rounded half up.

    A code is the pattern of the stored bits: with signed samples the upper half is negative.

    Args:
        tags: Of the image.
        used: Without a window, the range to use; None: the whole.
    """
    values, lowest, highest = _apply_modality(_stored_values(tags), tags)
    if table := tags.get("VOILUTSequence"):
        brightness = np.clip(_look_up(values, table) / _top(table), 0, 1)
    elif _is_windowed(tags):
        function = tags.get("VOILUTFunction", "LINEAR")
        brightness = apply_window(values, tags["WindowCenter"], tags["WindowWidth"], function)
    else:
        lowest, highest = (used.low, used.high) if used else (lowest, highest)
        brightness = np.clip((values - lowest) / (highest - lowest), 0, 1)
    if tags["PhotometricInterpretation"] == "MONOCHROME1" or (
        tags.get("PresentationLUTShape") == "INVERSE"  # which MONOCHROME1 of type DX has as well
    ):
        brightness = 1 - brightness
    return np.asarray(np.floor(brightness * 255 + 0.5), np.uint8)


def _stored_values(tags: Tags) -> Floats:
    """Return the value of each code, float64 (2^bits,)."""
    bits = tags["BitsStored"]
    stored = np.arange(1 << bits, dtype=np.float64)
    if tags.get("PixelRepresentation", 0):
        stored[1 << (bits - 1) :] -= 1 << bits
    return stored


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
        return _look_up(stored, table), 0, _top(table)
    slope, intercept = tags.get("RescaleSlope", 1.0), tags.get("RescaleIntercept", 0.0)
    if slope == 0:
        raise UnusableImage("expected a rescale slope other than 0")
    values = stored * slope + intercept
    return values, float(values.min()), float(values.max())


def _look_up(values: Floats, table: tuple[int, ...]) -> Floats:
    """Look values up in a table of `DicomImage`; those beyond it get its first or last entry.

    Some files state the first value with the other sign: 63488 for -2048. Where a table lies beyond
    all values as it is stated, and not with the other sign, that one is meant.
    """
    count, first, _, *entries = table
    if not _overlaps(first, count, values):
        other = first - 2**16 if first >= 2**15 else first + 2**16
        first = other if _overlaps(other, count, values) else first
    index = np.clip(np.floor(values + 0.5) - first, 0, count - 1).astype(np.int64)
    return np.asarray(np.array(entries, np.float64)[index])


def _overlaps(first: int, count: int, values: Floats) -> bool:
    return bool(first <= values.max() and first + count > values.min())


def _top(table: tuple[int, ...]) -> int:
    """Return the value that is white: of the bits stated, unless the entries have fewer bits.

    Tables of 16 bits are common that hold 12 or 10. Those of 8 bits are as dark as they state.
    """
    _, _, bits, *entries = table
    highest = max(entries)
    return highest if bits > 8 and 0 < highest < 1 << (bits - 1) else (1 << bits) - 1


def _is_windowed(tags: Tags) -> bool:
    return "VOILUTSequence" in tags or {"WindowWidth", "WindowCenter"} <= set(tags)


def _read_codes(image: DicomImage) -> Codes:
    samples, codestream = _read_samples(image)
    tags = image.tags
    padding = None
    if (value := tags.get("PixelPaddingValue")) is not None:
        limit = tags.get("PixelPaddingRangeLimit", value)
        padding = min(value, limit), max(value, limit)
    return to_codes(
        samples,
        bits=tags["BitsStored"],
        signed=bool(tags.get("PixelRepresentation", 0)),
        precision=codestream.precision if codestream else None,
        signed_precision=codestream.signed if codestream else None,
        padding=padding,
    )


def _read_samples(image: DicomImage) -> "tuple[Numbers, _Codestream | None]":
    """Return the samples, 8 or 16 bits (rows, columns), and what their codestream states."""
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
        samples = np.frombuffer(image.pixel_data, dtype, rows * columns).reshape(rows, columns)
        return samples, None
    frame = _join_fragments(image.pixel_data)
    codestream = None
    if image.syntax != transfer_syntax.RLE:
        codestream = _check_codestream(frame, image)
    samples = _decompress(frame, image, dtype)
    if samples.shape != (rows, columns) or samples.dtype.kind not in "ui":
        raise UnusableImage(
            f"expected {columns} x {rows} grey samples in the compressed picture, received "
            f"{' x '.join(map(str, samples.shape))} of {samples.dtype}"
        )
    return samples, codestream


def _join_fragments(encapsulated: bytes) -> bytes:
    """Return the fragments of the only frame as one string of bytes."""
    from pydicom.encaps import get_frame

    try:
        return bytes(get_frame(encapsulated, 0, number_of_frames=1))
    except Exception as error:  # noqa: BLE001 - a broken sequence of items raises anything
        raise UnusableImage(
            f"the DICOM file is cut short or damaged ({type(error).__name__})"
        ) from None


@dataclass(frozen=True)
class _Codestream:
    """What the header of a compressed picture states.

    Attributes:
        width: In pixels, as `height`.
        components: 1 is grey.
        precision: Bits of a sample.
        signed: Whether samples are signed; None: the format doesn't say.
    """

    width: int
    height: int
    components: int
    precision: int
    signed: bool | None = None


def _check_codestream(frame: bytes, image: DicomImage) -> _Codestream:
    """Return the header; refuse a picture of another size, or without an end, before decoding."""
    read = _read_jpeg_2000 if image.syntax in transfer_syntax.JPEG_2000 else _read_jpeg
    found = read(frame)
    rows, columns = image.stored_shape
    if found is None or (found.width, found.height, found.components) != (columns, rows, 1):
        received = (
            f"{found.width} x {found.height} and {found.components} components"
            if found
            else "no size"
        )
        raise UnusableImage(
            f"expected a compressed picture of {columns} x {rows} grey pixels, received {received}"
        )
    if not 2 <= found.precision <= 16:
        raise UnusableImage(
            f"expected at most 16 bits in the compressed picture, received {found.precision}"
        )
    # Encoders fill up to an even length with 0 or, as before a marker of JPEG, with FF.
    if not frame.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        raise UnusableImage("the DICOM file is cut short: its compressed picture has no end")
    return found


def _read_jpeg(frame: bytes) -> _Codestream | None:
    """Read the frame header of a JPEG or JPEG-LS picture."""
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 10 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        (length,) = struct.unpack_from(">H", frame, position + 2)
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            precision, height, width, components = struct.unpack_from(">BHHB", frame, position + 4)
            return _Codestream(width, height, components, precision)
        else:
            position += 2 + length
    return None


def _read_jpeg_2000(frame: bytes) -> _Codestream | None:
    """Read the SIZ segment of a JPEG 2000 codestream."""
    if frame[:4] != b"\xff\x4f\xff\x51" or len(frame) < 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
    components, depth = struct.unpack_from(">HB", frame, 40)
    signed = bool(depth & 0x80)
    return _Codestream(right - left, bottom - top, components, (depth & 0x7F) + 1, signed)


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
