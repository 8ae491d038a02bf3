"""DICOM files for tests, with a patient whose name must not come out anywhere."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, get_frame

from stages.sources.dicom import transfer_syntax
from stages.sources.received import ReceivedImage

# Devices write what the standard forbids; so does this.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE

SECRET = "DOE^JANE"
WHO = {
    "PatientName": SECRET,
    "PatientID": SECRET,
    "PatientBirthDate": "20190101",
    "InstitutionName": f"Hospital of {SECRET}",
    "StudyDescription": f"chest of {SECRET}",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1",
    "SOPInstanceUID": "1.2.3.4",
}
SYNTAXES = {
    "explicit little endian": transfer_syntax.EXPLICIT,
    "implicit little endian": transfer_syntax.IMPLICIT,
    "explicit big endian": transfer_syntax.BIG_ENDIAN,
    "deflated": transfer_syntax.DEFLATED,
    "RLE": transfer_syntax.RLE,
    "JPEG lossless": transfer_syntax.JPEG[2],
    "JPEG lossless, first order": transfer_syntax.JPEG[3],
    "JPEG-LS": transfer_syntax.JPEG_LS[0],
    "JPEG 2000": transfer_syntax.JPEG_2000[0],
}
"""Those that lose nothing, by name."""


def dicom_file(samples: NDArray[Any], syntax: str = transfer_syntax.EXPLICIT, **tags: Any) -> bytes:
    """A DICOM file of stored samples, (rows, columns) in 8 or 16 bits; `tags` beside the usual ones
    or instead of them, and None for one that is left out.

    Bits Stored are all bits unless told.
    """
    bits = 8 * samples.itemsize
    usual = {
        "Modality": "DX",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": samples.shape[0],
        "Columns": samples.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": tags.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(samples.dtype.kind == "i"),
    }
    dataset = pydicom.Dataset()
    dataset.preamble = bytes(128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    for keyword, value in {**WHO, **usual, **tags}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if syntax in transfer_syntax.NATIVE:
        stored = samples.byteswap() if syntax == transfer_syntax.BIG_ENDIAN else samples
        dataset.add_new("PixelData", "OB" if bits == 8 else "OW", stored.tobytes())
    else:
        dataset.PixelData = encapsulate([compress(samples, syntax, dataset.BitsStored)])
        dataset["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    return buffer.getvalue()


def compress(samples: NDArray[Any], syntax: str, bits: int) -> bytes:
    """One frame of a compressed syntax; bits: stored ones."""
    codes = np.ascontiguousarray(samples).view(f"u{samples.itemsize}") & ((1 << bits) - 1)
    if syntax == transfer_syntax.RLE:
        plain = pydicom.dcmread(io.BytesIO(dicom_file(codes)))
        plain.compress(transfer_syntax.RLE, generate_instance_uid=False)
        return bytes(get_frame(plain.PixelData, 0, number_of_frames=1))
    if syntax in transfer_syntax.JPEG_2000:
        return bytes(imagecodecs.jpeg2k_encode(codes, codecformat="j2k", bitspersample=bits))
    if syntax in transfer_syntax.JPEG_LS:
        return bytes(imagecodecs.jpegls_encode(codes))
    lossless = syntax in transfer_syntax.JPEG[2:]
    return bytes(
        imagecodecs.jpeg8_encode(codes, bitspersample=bits, lossless=lossless or None, level=98)
    )


def table(first: int, bits: int, entries: list[int], order: str = "<") -> list[pydicom.Dataset]:
    """A look-up table sequence of one item; order: of its bytes, that of the file."""
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", struct.pack(f"{order}{len(entries)}H", *entries))
    item.LUTExplanation = SECRET
    return [item]


def as_dicom(image: ReceivedImage, number: int, pixels: NDArray[np.uint8]) -> ReceivedImage:
    """The image in one of the ways in which a DICOM file can hold the same 8-bit picture."""
    syntax = list(SYNTAXES.values())[number % len(SYNTAXES)]
    bits = (8, 12, 16)[number // 2 % 3]
    wide = (pixels.astype(np.int64) * (2**bits - 1) + 127) // 255
    tags: dict[str, Any] = {"BitsStored": bits}
    if number % 2:
        tags["PhotometricInterpretation"] = "MONOCHROME1"
        wide = 2**bits - 1 - wide
    if number % 5 == 0:  # the same whole range, by a window
        tags |= {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}
    if number % 5 == 1:
        tags |= {"RescaleSlope": 0.5, "RescaleIntercept": 3}
    data = dicom_file(wide.astype(np.uint8 if bits == 8 else np.uint16), syntax, **tags)
    return ReceivedImage(
        image.path.replace(".jpeg", ".dcm"), data, image.label, image.kind, image.patient,
        image.split_group, image.source_split,
    )  # fmt: skip
