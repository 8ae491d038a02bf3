"""Remove what identifies a person: DICOM tags always, names of files and patients on request."""

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from stages.engine.errors import UnusableImage
from stages.sources.dicom import tags, transfer_syntax
from stages.sources.dicom.tags import UNREADABLE_PLACEHOLDER, DicomImage
from stages.sources.header import JPEG_AND_PNG_MAGIC
from stages.sources.names import LABELS
from stages.sources.received import ReceivedImage, Source

_DICOM_SUFFIXES = (".dcm", ".dicom")
_KNOWN_SUFFIXES = (*_DICOM_SUFFIXES, ".jpeg", ".jpg", ".png")
_CLASS_FOLDERS = {label: name for name, label in LABELS.items()}
# 64 bits: in a set of a million images, two names collide with a probability of 3e-8.
_DIGITS = 16


def anonymise(images: Iterable[ReceivedImage], *, hash_names: bool) -> Iterator[ReceivedImage]:
    """Yield `images` with DICOM files reduced to pixels and tags that identify nobody.

    JPEG and PNG files are not changed.

    Args:
        images: As their source delivers them.
        hash_names: Name each image after a hash of its bytes, and each patient after their first
            image. Unlike a hash of a name, this can't be undone by hashing all likely names.
            Equal images get the suffixes -2, -3, ... in their order.
    """
    counts: dict[str, int] = {}
    pseudonyms: dict[tuple[str, str], str] = {}
    for image in images:
        image = replace(image, data=_anonymous_data(image))
        yield _renamed(image, counts, pseudonyms) if hash_names else image


def anonymise_source(source: Source, *, hash_names: bool) -> Source:
    """Return `source` without the spellings of patients' ids if names are hashed."""
    if not hash_names or source.merged_patients is None:
        return source
    return replace(source, merged_patients=replace(source.merged_patients, examples=()))


def anonymise_dicom(data: bytes) -> bytes:
    """Return a DICOM file with only what pixels and warnings need.

    A file that can't be read becomes UNREADABLE_PLACEHOLDER. Pixels that can't be used are left
    out: a colour image is often a report with the patient's name in it.
    """
    try:
        image = tags.read(data)
    except UnusableImage:
        return UNREADABLE_PLACEHOLDER
    try:
        image.check_usable()
    except UnusableImage:
        image = replace(image, pixel_data=None)
    return encode_dicom(image)


def encode_dicom(image: DicomImage) -> bytes:
    """Return a DICOM file of the image's tags and pixels, without name, date or identifier.

    The bytes depend on the image alone; reading the file and encoding it again gives them again.
    """
    import pydicom
    from pydicom.dataset import FileMetaDataset

    dataset = pydicom.Dataset()
    dataset.preamble = bytes(128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = image.syntax
    for keyword, value in image.tags.items():
        if keyword in tags.TABLES:
            count, first, bits, *entries = value
            table = pydicom.Dataset()
            representation = "SS" if first < 0 else "US"
            table.add_new("LUTDescriptor", representation, [count % 2**16, first, bits])
            table.add_new("LUTData", "OW", struct.pack(f"<{count}H", *entries))
            value = [table]
        elif isinstance(value, tuple):
            value = list(value)
        setattr(dataset, keyword, value)
    if image.pixel_data is not None:
        compressed = image.syntax in transfer_syntax.COMPRESSED
        dataset.add_new("PixelData", "OB" if compressed else "OW", image.pixel_data)
        dataset["PixelData"].is_undefined_length = compressed
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, force_encoding=True)
    return buffer.getvalue()


def _anonymous_data(image: ReceivedImage) -> bytes:
    if tags.is_dicom(image.data):
        return anonymise_dicom(image.data)
    named_dicom = PurePosixPath(image.path).suffix.lower() in _DICOM_SUFFIXES
    if named_dicom and not image.data.startswith(JPEG_AND_PNG_MAGIC):
        return UNREADABLE_PLACEHOLDER  # probably DICOM with a damaged start and a name further on
    return image.data


def _renamed(
    image: ReceivedImage, counts: dict[str, int], pseudonyms: dict[tuple[str, str], str]
) -> ReceivedImage:
    digest = hashlib.sha256(image.data).hexdigest()[:_DIGITS]
    folder = f"{image.source_split or 'train'}/{_CLASS_FOLDERS[image.label]}"
    counts[digest] = number = counts.get(digest, 0) + 1
    name = digest if number == 1 else f"{digest}-{number}"
    # `name`, not `digest`: two patients may have the same first image, and stay two.
    patient = pseudonyms.setdefault(("patient", image.patient), f"patient-{name}")
    group = pseudonyms.setdefault(("group", image.split_group), f"group-{name}")
    suffix = PurePosixPath(image.path).suffix.lower()
    suffix = suffix if suffix in _KNOWN_SUFFIXES else ""
    return replace(image, path=f"{folder}/{name}{suffix}", patient=patient, split_group=group)
