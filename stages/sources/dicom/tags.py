"""What a DICOM file says of its image: the tags that pixels and warnings need, and no other.

pydicom takes a second to import, so it is imported where a DICOM file is met.
"""

import io
import math
import re
import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.engine.errors import InputError
from stages.sources.dicom import transfer_syntax

if TYPE_CHECKING:
    from pydicom import Dataset

# Pixels twice as high as wide are a scanner's; four times are a mistake in the tag.
MAX_PIXEL_RATIO = 4.0

GREY = ("MONOCHROME1", "MONOCHROME2")
WINDOWS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
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
_DECIMALS = ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", *SPACINGS)
_CODES = (
    "PhotometricInterpretation",
    "VOILUTFunction",
    "Modality",
    "ViewPosition",
    "BodyPartExamined",
    "BurnedInAnnotation",
)
KEPT = (*_INTEGERS, *_DECIMALS, *_CODES, *TABLES)
# What is kept of a file that can't be read, so that it is counted and named as any other.
NOTHING_KEPT = bytes(128) + b"DICM"

# A code is free text in the hands of some devices; what is none of these is called OTHER.
_KNOWN = {
    "PhotometricInterpretation": {*GREY, "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422"},
    "VOILUTFunction": {*WINDOWS},
    "Modality": {"CR", "DX", "RG", "RF", "XA", "CT", "MR", "MG", "US", "NM", "PT", "SC", "OT"},
    "ViewPosition": {"AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO"},
    "BodyPartExamined": {
        *("CHEST", "THORAX", "LUNG", "ABDOMEN", "ARM", "FOOT", "HAND", "HEAD", "HEART", "HIP"),
        *("KNEE", "LEG", "NECK", "PELVIS", "RIB", "SHOULDER", "SKULL", "SPINE", "TSPINE"),
        *("CSPINE", "LSPINE", "BREAST", "CLAVICLE", "ELBOW", "WRIST", "ANKLE"),
    },
    "BurnedInAnnotation": {"YES", "NO"},
}
_CHEST = ("CHEST", "THORAX", "LUNG")
_RADIOGRAPHS = ("CR", "DX", "RG", "OT", "SC")


@dataclass(frozen=True)
class DicomImage:
    """The tags of KEPT that a file has, checked, and its pixel data as stored (None: not read).

    `syntax`: of the transfer; explicit little endian where nothing is compressed: its bytes are
    turned to that here. `tags`: an integer, a float, a code, a tuple of two floats, or a
    `_table` for each keyword; codes as `_KNOWN` knows them.
    """

    syntax: str
    tags: dict[str, Any]
    pixel_data: bytes | None

    @property
    def samples_shape(self) -> tuple[int, int]:
        """Rows and columns as stored."""
        return self.tags["Rows"], self.tags["Columns"]

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height with square pixels: the finer of the two axes shrinks."""
        rows, columns = self.samples_shape
        ratio = self._pixel_height_by_width()
        if ratio > 1:
            return max(1, round(columns / ratio)), rows
        return columns, max(1, round(rows * ratio))

    @property
    def mode(self) -> str:
        """Photometric interpretation and bits, such as "MONOCHROME2 12 bits"."""
        return f"{self.tags['PhotometricInterpretation']} {self.tags['BitsStored']} bits"

    @property
    def cautions(self) -> tuple[str, ...]:
        """What makes the image doubtful, without being unreadable."""
        tags, found = self.tags, []
        if (view := tags.get("ViewPosition", "AP")) not in ("AP", "PA"):
            found.append(f"view position {view} instead of AP or PA")
        if (part := tags.get("BodyPartExamined", "CHEST")) not in _CHEST:
            found.append(f"body part {part} instead of CHEST")
        if (modality := tags.get("Modality", "DX")) not in _RADIOGRAPHS:
            found.append(f"modality {modality} instead of CR or DX")
        if tags.get("BurnedInAnnotation") == "YES":
            found.append("text is burned into the pixels, a name perhaps")
        return tuple(found)

    def refuse_unusable(self) -> None:
        """Raises InputError where this is no grey image of one frame that can be decoded."""
        tags = self.tags
        if (frames := tags.get("NumberOfFrames", 1)) > 1:
            raise InputError(f"expected one frame, received a multi-frame DICOM of {frames}")
        colour = tags.get("PhotometricInterpretation", "none")
        if tags.get("SamplesPerPixel", 1) != 1 or colour not in GREY:
            raise InputError(
                f"expected a grey DICOM ({' or '.join(GREY)}), received "
                f"{tags.get('SamplesPerPixel', 1)} samples of {colour}"
            )
        if self.syntax not in (transfer_syntax.EXPLICIT, *transfer_syntax.COMPRESSED):
            raise InputError(
                f"expected a transfer syntax that docs/data.md lists, received {self.syntax}; "
                "store the DICOM uncompressed"
            )
        missing = {"Rows", "Columns", "BitsAllocated", "BitsStored"} - set(tags)
        if missing:
            raise InputError(
                f"expected a DICOM image, received one without {', '.join(sorted(missing))}"
            )
        allocated, stored = tags["BitsAllocated"], tags["BitsStored"]
        if allocated not in (8, 16) or not 8 <= stored <= allocated:
            raise InputError(
                f"expected 8 to 16 bits stored in 8 or 16, received {stored} in {allocated}"
            )
        if tags.get("HighBit", stored - 1) != stored - 1:
            raise InputError(f"expected the high bit {stored - 1}, received {tags['HighBit']}")
        if tags.get("VOILUTFunction") == "OTHER":
            raise InputError(f"expected a VOI LUT function of {', '.join(WINDOWS)}, received other")
        if not 1 / MAX_PIXEL_RATIO <= (ratio := self._pixel_height_by_width()) <= MAX_PIXEL_RATIO:
            raise InputError(
                f"expected pixels about as high as wide (ratio at most {MAX_PIXEL_RATIO:g}), "
                f"received {ratio:.3g}: its pixel spacing is wrong"
            )

    def _pixel_height_by_width(self) -> float:
        """1 where the spacing is not told, or is told as zero."""
        for keyword in SPACINGS:
            spacing = self.tags.get(keyword, ())
            if len(spacing) == 2 and min(spacing) > 0:
                return float(spacing[0] / spacing[1])
        return 1.0


def is_dicom(data: bytes) -> bool:
    """Whether these are the bytes of a DICOM file: "DICM" after a preamble of 128, or, as older
    devices write it, a data set that starts at once with its group 2 or 8."""
    return data[128:132] == b"DICM" or (data[:2] in (b"\2\0", b"\x08\0") and data[3:4] == b"\0")


def read(data: bytes, *, pixels: bool = True) -> DicomImage:
    """The image of a DICOM file. Raises InputError, which quotes no value of the file."""
    import pydicom
    from pydicom import config

    if data == NOTHING_KEPT:
        raise InputError(
            "the DICOM file could not be read when it was fetched, and nothing of it was kept, "
            "since it may name a person"
        )
    # Values that break the standard's rules would be told in warnings, patients' names too.
    warnings.filterwarnings("ignore", module="pydicom")
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
    try:
        stream = io.BytesIO(transfer_syntax.inflated(data))
        dataset = pydicom.dcmread(
            stream, stop_before_pixels=True, specific_tags=[*KEPT], force=True
        )
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", transfer_syntax.EXPLICIT))
        big = syntax == transfer_syntax.BIG_ENDIAN
        tags = {name: found for name in KEPT if (found := _value(dataset, name, big)) is not None}
        stored = transfer_syntax.pixel_data(stream, syntax) if pixels else None
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - pydicom raises whatever a broken file leads to
        raise InputError(
            f"the DICOM file is cut short or damaged ({type(error).__name__})"
        ) from None
    if syntax in transfer_syntax.NATIVE:
        syntax = transfer_syntax.EXPLICIT
    elif not re.fullmatch(r"[0-9.]{1,64}", syntax):
        raise InputError("the DICOM file is cut short or damaged (its transfer syntax is none)")
    return DicomImage(syntax, tags, stored)


def _value(dataset: "Dataset", keyword: str, big_endian: bool) -> Any:
    """A tag's value in the form that DicomImage promises; None where it is absent or empty.

    Raises ValueError where a number is none.
    """
    value = dataset.get(keyword)
    if value is None or value == "" or value == []:
        return None
    if keyword in TABLES:
        return _table(value[0], big_endian)
    if keyword in _CODES:
        code = str(value).strip().upper()
        return code if code in _KNOWN[keyword] else "OTHER" if code else None
    if keyword in _INTEGERS:
        return int(value)
    numbers = tuple(map(float, [value] if isinstance(value, (str, float, int)) else value))
    if not all(map(math.isfinite, numbers)):
        raise ValueError(keyword)
    if keyword in SPACINGS:
        return numbers
    return numbers[0]  # of several windows, the first


def _table(item: "Dataset", big_endian: bool) -> tuple[int, ...]:
    """Of a look-up table: number of entries, first value mapped, bits of an entry, and entries."""
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
        raise InputError(f"expected entries of {bits} bits in a look-up table, received others")
    return (count, first, bits, *entries)
