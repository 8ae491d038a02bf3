"""Read the tags of a DICOM file that pixels and warnings need, and no others.

pydicom takes a second to import, so functions import it when they read a DICOM file.
"""

import io
import math
import re
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from stages.engine.errors import UnusableImage
from stages.engine.task import BodyPart
from stages.sources.dicom import transfer_syntax

if TYPE_CHECKING:
    from pydicom import Dataset

# Some scanners have pixels twice as high as wide; a ratio of 4 is an error in the tag.
MAX_PIXEL_RATIO = 4.0

GREY = ("MONOCHROME1", "MONOCHROME2")
WINDOWS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
SHAPES = ("IDENTITY", "INVERSE")
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio")
TABLES = ("ModalityLUTSequence", "VOILUTSequence")
_INTEGERS = (
    "SamplesPerPixel",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "NumberOfFrames",
)
PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")
_DECIMALS = ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", *SPACINGS)
_CODES = (
    "PhotometricInterpretation",
    "VOILUTFunction",
    "PresentationLUTShape",
    "Modality",
    "ViewPosition",
    "BodyPartExamined",
    "BurnedInAnnotation",
)
KEPT = (*_INTEGERS, *PADDING, *_DECIMALS, *_CODES, *TABLES)
"""Keywords of the tags that are read and kept."""
UNREADABLE_PLACEHOLDER = bytes(128) + b"DICM"
"""Stored instead of a file that can't be read, so that it is counted and listed like others."""

# Some devices allow free text in these tags; any other value becomes OTHER.
_KNOWN_CODES = {
    "PhotometricInterpretation": {*GREY, "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422"},
    "VOILUTFunction": {*WINDOWS},
    "PresentationLUTShape": {*SHAPES},
    "Modality": {"CR", "DX", "RG", "RF", "XA", "CT", "MR", "MG", "US", "NM", "PT", "SC", "OT"},
    "ViewPosition": {"AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO"},
    "BodyPartExamined": {*get_args(BodyPart)},
    "BurnedInAnnotation": {"YES", "NO"},
}
# SOP classes (DICOM PS3.4, B.5) start so if they are radiographs or other pictures of one frame.
_PICTURE_CLASSES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{number}." for number in (1, 2, 4, 6, 7, 12, 20, 128)
)
_CHEST = ("CHEST", "THORAX", "LUNG")
_RADIOGRAPHS = ("CR", "DX", "RG", "OT", "SC")


@dataclass(frozen=True)
class DicomImage:
    """The tags of KEPT that a file has, and its pixel data.

    Attributes:
        syntax: UID of the transfer syntax. Uncompressed files are converted to explicit little
            endian.
        tags: By keyword: an integer, a float, a code of `_KNOWN_CODES` or "OTHER", a tuple of two
            floats (spacings), or a tuple of integers (see `_table`).
        pixel_data: As stored, compressed or not; None: not read.
    """

    syntax: str
    tags: dict[str, Any]
    pixel_data: bytes | None

    @property
    def stored_shape(self) -> tuple[int, int]:
        """Rows and columns as stored."""
        return self.tags["Rows"], self.tags["Columns"]

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height in square pixels: the finer of the two axes shrinks."""
        rows, columns = self.stored_shape
        ratio = self._pixel_height_by_width()
        if ratio > 1:
            return max(1, round(columns / ratio)), rows
        return columns, max(1, round(rows * ratio))

    @property
    def mode(self) -> str:
        """Photometric interpretation and bits, such as "MONOCHROME2 12 bits"."""
        return f"{self.tags['PhotometricInterpretation']} {self.tags['BitsStored']} bits"

    def cautions(self, body_part: str | None) -> tuple[str, ...]:
        """Return reasons to doubt that this is a usable radiograph, though it can be decoded.

        body_part: What it should show, as of `engine.task.TaskOptions`.
        """
        tags, found = self.tags, []
        of_chest = body_part in _CHEST
        if of_chest and (view := tags.get("ViewPosition", "AP")) not in ("AP", "PA"):
            found.append(f"view position {view} instead of AP or PA")
        part = tags.get("BodyPartExamined", body_part)
        if body_part and part not in (_CHEST if of_chest else (body_part,)):
            found.append(f"body part {part} instead of {body_part}")
        if (modality := tags.get("Modality", "DX")) not in _RADIOGRAPHS:
            found.append(f"modality {modality} instead of CR or DX")
        if tags.get("BurnedInAnnotation") == "YES":
            found.append("text is burned into the pixels, a name perhaps")
        return tuple(found)

    def check_usable(self) -> None:
        """Raise UnusableImage unless this is one grey frame that can be decoded."""
        tags = self.tags
        if (frames := tags.get("NumberOfFrames", 1)) > 1:
            raise UnusableImage(f"expected one frame, received a multi-frame DICOM of {frames}")
        colour = tags.get("PhotometricInterpretation", "none")
        if tags.get("SamplesPerPixel", 1) != 1 or colour not in GREY:
            raise UnusableImage(
                f"expected a grey DICOM ({' or '.join(GREY)}), received "
                f"{tags.get('SamplesPerPixel', 1)} samples of {colour}"
            )
        if self.syntax not in (transfer_syntax.EXPLICIT, *transfer_syntax.COMPRESSED):
            raise UnusableImage(
                f"expected a transfer syntax that docs/data.md lists, received {self.syntax}; "
                "store the DICOM uncompressed"
            )
        missing = {"Rows", "Columns", "BitsAllocated", "BitsStored"} - set(tags)
        if missing:
            raise UnusableImage(
                f"expected a DICOM image, received one without {', '.join(sorted(missing))}"
            )
        allocated, stored = tags["BitsAllocated"], tags["BitsStored"]
        if allocated not in (8, 16) or not 8 <= stored <= allocated:
            raise UnusableImage(
                f"expected 8 to 16 bits stored in 8 or 16, received {stored} in {allocated}"
            )
        if tags.get("HighBit", stored - 1) != stored - 1:
            raise UnusableImage(f"expected the high bit {stored - 1}, received {tags['HighBit']}")
        if tags.get("VOILUTFunction") == "OTHER":
            raise UnusableImage(
                f"expected the VOI LUT function {', '.join(WINDOWS)}, received another"
            )
        if tags.get("PresentationLUTShape") == "OTHER":
            raise UnusableImage(
                f"expected the presentation LUT shape {' or '.join(SHAPES)}, received another"
            )
        if not 1 / MAX_PIXEL_RATIO <= (ratio := self._pixel_height_by_width()) <= MAX_PIXEL_RATIO:
            raise UnusableImage(
                f"expected pixels about as high as wide (ratio at most {MAX_PIXEL_RATIO:g}), "
                f"received {ratio:.3g}: its pixel spacing is wrong"
            )

    def _pixel_height_by_width(self) -> float:
        """Return height by width of a pixel, 1 if spacings are missing or zero."""
        for keyword in SPACINGS:
            spacing = self.tags.get(keyword, ())
            if len(spacing) == 2 and min(spacing) > 0:
                return float(spacing[0] / spacing[1])
        return 1.0


def is_dicom(data: bytes) -> bool:
    """Return whether `data` is a DICOM file.

    It has "DICM" after a preamble of 128 bytes; or, from older devices, no preamble and starts
    with a tag of group 2 or 8.
    """
    return data[128:132] == b"DICM" or (data[:2] in (b"\2\0", b"\x08\0") and data[3:4] == b"\0")


def may_have_picture(data: bytes) -> bool:
    """Return whether a DICOM file has a picture, or had one before it was damaged.

    Nothing of the file but its kind (SOP class) is looked at where there is no picture.
    """
    import pydicom

    marked = data[128:132] == b"DICM"  # without that, it may be another kind of file
    try:
        stream = io.BytesIO(transfer_syntax.inflate(data))
        dataset = pydicom.dcmread(
            stream, stop_before_pixels=True, specific_tags=["SOPClassUID", "Rows"], force=True
        )
        if "Rows" in dataset:
            return True
        kind = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
    except Exception:  # noqa: BLE001 - a broken file makes pydicom raise anything
        return marked
    return marked and (not kind or _is_picture_class(str(kind)))


def _is_picture_class(uid: str) -> bool:
    """Return whether a SOP class, of which the end may be cut off, is one of pictures."""
    whole = f"{uid}."
    return any(whole.startswith(known) or known.startswith(uid) for known in _PICTURE_CLASSES)


def read(data: bytes, *, pixels: bool = True) -> DicomImage:
    """Read the image of a DICOM file, without `pixel_data` if `pixels` is false.

    Raises:
        UnusableImage: The file is damaged. The message quotes no value of the file.
    """
    import pydicom
    from pydicom import config

    if data == UNREADABLE_PLACEHOLDER:
        raise UnusableImage(
            "the DICOM file could not be read when it was fetched, and nothing of it was kept, "
            "since it may name a person"
        )
    # Warnings about invalid values would quote them, patients' names included.
    warnings.filterwarnings("ignore", module="pydicom")
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
    try:
        stream = io.BytesIO(transfer_syntax.inflate(data))
        dataset = pydicom.dcmread(
            stream, stop_before_pixels=True, specific_tags=[*KEPT], force=True
        )
        syntax = _syntax(dataset)
        big_endian = syntax == transfer_syntax.BIG_ENDIAN
        values = {keyword: _value(dataset, keyword, big_endian) for keyword in KEPT}
        pixel_data = transfer_syntax.read_pixel_data(stream, syntax) if pixels else None
    except UnusableImage:
        raise
    except Exception as error:  # noqa: BLE001 - a broken file makes pydicom raise anything
        raise UnusableImage(
            f"the DICOM file is cut short or damaged ({type(error).__name__})"
        ) from None
    if syntax in transfer_syntax.NATIVE:
        syntax = transfer_syntax.EXPLICIT
    elif not re.fullmatch(r"[0-9.]{1,64}", syntax):
        raise UnusableImage("the DICOM file is cut short or damaged (invalid transfer syntax)")
    tags = {keyword: value for keyword, value in values.items() if value is not None}
    for keyword in set(PADDING) & set(tags):
        tags[keyword] = _as_sample(tags[keyword], signed=bool(tags.get("PixelRepresentation")))
    return DicomImage(syntax, tags, pixel_data)


def _syntax(dataset: "Dataset") -> str:
    """Return the transfer syntax: the file's own, or how pydicom found its tags to be encoded."""
    if stated := dataset.file_meta.get("TransferSyntaxUID"):
        return str(stated)
    implicit, little_endian = dataset.original_encoding
    if not little_endian:
        return transfer_syntax.BIG_ENDIAN
    return transfer_syntax.IMPLICIT if implicit else transfer_syntax.EXPLICIT


def _as_sample(value: int, *, signed: bool) -> int:
    """Return 16 bits as a sample has them; some files give them the other sign."""
    pattern = value % 2**16
    return pattern - 2**16 if signed and pattern >= 2**15 else pattern


def _value(dataset: "Dataset", keyword: str, big_endian: bool) -> Any:
    """Return a tag's value in the form of `DicomImage.tags`, None if it is missing or empty.

    Raises:
        ValueError: It should be a number and isn't, or is infinite or NaN.
    """
    value = dataset.get(keyword)
    if value is None or value == "" or value == []:
        return None
    if keyword in TABLES:
        return _table(value[0], big_endian)
    if keyword in _CODES:
        code = str(value).strip().upper()
        if not code:
            return None
        return code if code in _KNOWN_CODES[keyword] else "OTHER"
    if keyword in _INTEGERS:
        return int(value)
    if keyword in PADDING:
        if isinstance(value, bytes):  # of the type "unknown"
            value = int.from_bytes(value[:2], "big" if big_endian else "little")
        return int(value)
    numbers = tuple(map(float, [value] if isinstance(value, (str, float, int)) else value))
    if not all(map(math.isfinite, numbers)):
        raise ValueError(keyword)
    if keyword in SPACINGS:
        return numbers
    return numbers[0]  # the first of several windows


def _table(item: "Dataset", big_endian: bool) -> tuple[int, ...]:
    """Return a look-up table: number of entries, first mapped value, bits of an entry, entries."""
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    count = count or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        width = "B" if bits == 8 and len(data) < 2 * count else "H"
        data = struct.unpack_from(f"{'>' if big_endian else '<'}{count}{width}", data)
    entries = tuple(int(entry) for entry in data)
    if len(entries) != count or not 8 <= bits <= 16:
        raise ValueError("LUTData")
    if not 0 <= min(entries) <= max(entries) < 1 << bits:
        raise UnusableImage(
            f"expected entries of {bits} bits in a look-up table, received larger ones"
        )
    return (count, first, bits, *entries)
