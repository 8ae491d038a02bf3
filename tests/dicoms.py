"""DICOM files for tests, of a patient whose name must not appear anywhere."""

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

# Devices write values that the standard forbids, and so do these tests.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE

SECRET = "DOE^JANE"
IDENTITY = {
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
"""The lossless ones, by name."""


def dicom_file(samples: NDArray[Any], syntax: str = transfer_syntax.EXPLICIT, **tags: Any) -> bytes:
    """Return a DICOM file of stored samples, (rows, columns) with 8 or 16 bits.

    `tags` are added to the default ones or replace them; None removes one.
    """
    bits = 8 * samples.itemsize
    default = {
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
    for keyword, value in {**IDENTITY, **default, **tags}.items():
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
    """Return one frame in a compressed syntax; `bits` are stored for each sample."""
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
    """Return a look-up table sequence of one item; `order` is the file's byte order."""
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", struct.pack(f"{order}{len(entries)}H", *entries))
    item.LUTExplanation = SECRET
    return [item]


def as_dicom(image: ReceivedImage, number: int, pixels: NDArray[np.uint8]) -> ReceivedImage:
    """Return the image as DICOM; `number` picks one of the ways to store the same 8-bit pixels."""
    syntax = list(SYNTAXES.values())[number % len(SYNTAXES)]
    bits = (8, 12, 16)[number // 2 % 3]
    wide = (pixels.astype(np.int64) * (2**bits - 1) + 127) // 255
    tags: dict[str, Any] = {"BitsStored": bits}
    if number % 2:
        tags["PhotometricInterpretation"] = "MONOCHROME1"
        wide = 2**bits - 1 - wide
    if number % 5 == 0:  # a window over the whole range
        tags |= {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}
    if number % 5 == 1:
        tags |= {"RescaleSlope": 0.5, "RescaleIntercept": 3}
    data = dicom_file(wide.astype(np.uint8 if bits == 8 else np.uint16), syntax, **tags)
    return ReceivedImage(
        path=image.path.replace(".jpeg", ".dcm"),
        data=data,
        label=image.label,
        kind=image.kind,
        patient=image.patient,
        split_group=image.split_group,
        source_split=image.source_split,
        source=image.source,
    )
