"""DICOM pixels to 8-bit grey: decompressed, windowed, inverted, made square.

Follows DICOM PS3.3 C.7.6.3 (pixels), C.11.1 (modality LUT) and C.11.2 (VOI LUT). Stored values
have 16 bits at most, so the whole way from a value to its grey is one table, made in float64 and
rounded once.
"""

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.sources.dicom import tags as dicom
from stages.sources.dicom import transfer_syntax
from stages.sources.dicom.tags import DicomImage

# An image whose values use less than this share of their range, with no window to say which part,
# would come out nearly black, and quietly.
DARK_SHARE = 1 / 16


def decode_dicom(data: bytes, *, most_pixels: int) -> NDArray[np.uint8]:
    """Grey pixels, uint8 (H, W), 0 to 255, of a DICOM file; pixels are square afterwards.

    Rescale (or modality LUT), then VOI LUT or the first window, then MONOCHROME1 turned over.
    Without a window the whole range of the stored bits is shown, as for a 16-bit PNG.

    Raises InputError with the reason where there is more than one frame, colour, a transfer syntax
    that is not read, more than `most_pixels`, or damage.
    """
    image = dicom.read(data)
    image.check_usable()
    rows, columns = image.stored_shape
    if rows * columns > most_pixels:
        raise InputError(f"expected at most {most_pixels:,} pixels, received {columns} x {rows}")
    samples = _samples(image)
    bits = image.tags["BitsStored"]
    pixels: NDArray[np.uint8] = greys(image.tags)[
        samples & np.array((1 << bits) - 1, samples.dtype)
    ]
    if bits > 8 and not _is_windowed(image.tags):
        _refuse_dark(pixels, bits)
    width, height = image.display_size
    if (height, width) != pixels.shape:
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return pixels


def greys(tags: dict[str, Any]) -> NDArray[np.uint8]:
    """The grey of each stored code, uint8 (2^bits,), 0 to 255, rounded half up.

    A code is the pattern of the stored bits: with signed samples the upper half is negative.
    """
    bits = tags["BitsStored"]
    values = np.arange(1 << bits, dtype=np.float64)
    if tags.get("PixelRepresentation", 0):
        values[1 << (bits - 1) :] -= 1 << bits
    shown, lowest, highest = _modality(values, tags)
    if table := tags.get("VOILUTSequence"):
        share = _looked_up(shown, table) / ((1 << table[2]) - 1)
    elif _is_windowed(tags):
        share = window(
            shown, tags["WindowCenter"], tags["WindowWidth"], tags.get("VOILUTFunction", "LINEAR")
        )
    else:
        share = (shown - lowest) / (highest - lowest)
    if tags["PhotometricInterpretation"] == "MONOCHROME1":
        share = 1 - share
    return np.asarray(np.floor(share * 255 + 0.5), np.uint8)


def window(
    values: NDArray[np.float64], centre: float, width: float, function: str
) -> NDArray[np.float64]:
    """The share of full brightness, 0 to 1, of each value (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Raises InputError where the width is below what the function allows.
    """
    if not (width >= 1 if function == "LINEAR" else width > 0):
        raise InputError(f"expected a window of a positive width, received {width:g}")
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - centre) / width, -700, 700)
        return np.asarray(1 / (1 + np.exp(exponent)))
    if function == "LINEAR":  # the standard's window reaches from edge to edge of whole values
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return np.asarray(values > centre, np.float64)
    return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1))


def _modality(
    values: NDArray[np.float64], tags: dict[str, Any]
) -> tuple[NDArray[np.float64], float, float]:
    """Values as the device means them, and the ends of their range."""
    if table := tags.get("ModalityLUTSequence"):
        return _looked_up(values, table), 0, (1 << table[2]) - 1
    slope, intercept = tags.get("RescaleSlope", 1.0), tags.get("RescaleIntercept", 0.0)
    if slope == 0:
        raise InputError("expected a rescale slope other than 0")
    shown = values * slope + intercept
    return shown, float(shown.min()), float(shown.max())


def _looked_up(values: NDArray[np.float64], table: tuple[int, ...]) -> NDArray[np.float64]:
    """Entries of a `dicom.DicomImage` table; values beyond it have its first or last entry."""
    count, first, _, *entries = table
    index = np.clip(np.floor(values + 0.5) - first, 0, count - 1).astype(np.int64)
    return np.asarray(np.array(entries, np.float64)[index])


def _is_windowed(tags: dict[str, Any]) -> bool:
    return "VOILUTSequence" in tags or {"WindowWidth", "WindowCenter"} <= set(tags)


def _refuse_dark(pixels: NDArray[np.uint8], bits: int) -> None:
    spread = int(pixels.max()) - int(pixels.min())
    if spread < 255 * DARK_SHARE:
        raise InputError(
            f"expected a window, or samples over the range of {bits} bits, received samples that "
            f"use {spread / 255:.1%} of it"
        )


def _samples(image: DicomImage) -> NDArray[Any]:
    """Stored samples, uint8 or uint16 (rows, columns); unused and sign bits as they come."""
    rows, columns = image.stored_shape
    kind = np.dtype("<u2" if image.tags["BitsAllocated"] == 16 else "u1")
    if not image.pixel_data:
        raise InputError("expected a DICOM image, received one without pixel data")
    if image.syntax == transfer_syntax.EXPLICIT:
        wanted = rows * columns * kind.itemsize
        if len(image.pixel_data) < wanted:
            raise InputError(
                f"the DICOM file is cut short: expected {wanted:,} bytes of pixels, received "
                f"{len(image.pixel_data):,}"
            )
        return np.frombuffer(image.pixel_data, kind, rows * columns).reshape(rows, columns)
    frame = _frame(image.pixel_data)
    if image.syntax != transfer_syntax.RLE:
        _check_codestream(frame, image)
    samples = _decompressed(frame, image, kind)
    if samples.shape != (rows, columns) or samples.dtype.kind not in "ui":
        raise InputError(
            f"expected {columns} x {rows} grey samples in the compressed picture, received "
            f"{' x '.join(map(str, samples.shape))} of {samples.dtype}"
        )
    return samples.view(f"u{samples.itemsize}").astype(kind, copy=False)


def _frame(encapsulated: bytes) -> bytes:
    """The fragments of the only frame, joined."""
    from pydicom.encaps import get_frame

    try:
        return bytes(get_frame(encapsulated, 0, number_of_frames=1))
    except Exception as error:  # noqa: BLE001 - whatever a broken sequence of items leads to
        raise InputError(
            f"the DICOM file is cut short or damaged ({type(error).__name__})"
        ) from None


def _check_codestream(frame: bytes, image: DicomImage) -> None:
    """Raises InputError before a picture of another size is decoded, or one that has no end."""
    found = (
        _size_of_jpeg_2000(frame)
        if image.syntax in transfer_syntax.JPEG_2000
        else _size_of_jpeg(frame)
    )
    rows, columns = image.stored_shape
    if found != (columns, rows, 1):
        told = "no size" if found is None else "{} x {} and {} components".format(*found)
        raise InputError(
            f"expected a compressed picture of {columns} x {rows} grey pixels, received {told}"
        )
    if not frame.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise InputError("the DICOM file is cut short: its compressed picture has no end")


def _size_of_jpeg(frame: bytes) -> tuple[int, int, int] | None:
    """Width, height and components of a JPEG or JPEG-LS picture, from its frame header."""
    at = 2
    while frame[:2] == b"\xff\xd8" and at + 10 <= len(frame) and frame[at] == 0xFF:
        marker, length = frame[at + 1], struct.unpack_from(">H", frame, at + 2)[0]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width, components = struct.unpack_from(">HHB", frame, at + 5)
            return width, height, components
        else:
            at += 2 + length
    return None


def _size_of_jpeg_2000(frame: bytes) -> tuple[int, int, int] | None:
    """Width, height and components of a JPEG 2000 codestream, from its SIZ segment."""
    if frame[:4] != b"\xff\x4f\xff\x51" or len(frame) < 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
    return right - left, bottom - top, struct.unpack_from(">H", frame, 40)[0]


def _decompressed(frame: bytes, image: DicomImage, kind: np.dtype[Any]) -> NDArray[Any]:
    import imagecodecs

    rows, columns = image.stored_shape
    try:
        if image.syntax == transfer_syntax.RLE:
            room = bytearray(rows * columns * kind.itemsize)  # more than fits is an error
            found = imagecodecs.dicomrle_decode(frame, kind, out=room)
            samples = np.frombuffer(found, kind).reshape(rows, columns)
        elif image.syntax in transfer_syntax.JPEG_2000:
            samples = imagecodecs.jpeg2k_decode(frame)
        elif image.syntax in transfer_syntax.JPEG_LS:
            samples = imagecodecs.jpegls_decode(frame)
        else:
            samples = imagecodecs.jpeg8_decode(frame)
    except Exception as error:  # noqa: BLE001 - each codec has exceptions of its own
        raise InputError(
            f"the DICOM file is cut short or damaged ({type(error).__name__})"
        ) from None
    return np.asarray(samples)
