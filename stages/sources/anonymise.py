"""Remove what identifies a person: DICOM tags always, names of files and patients on request."""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from stages.engine.errors import InputError, UnusableImage
from stages.sources.dicom import tags, transfer_syntax
from stages.sources.dicom.tags import UNREADABLE_PLACEHOLDER, DicomImage
from stages.sources.hash_key import HashKey
from stages.sources.header import JPEG_AND_PNG_MAGIC
from stages.sources.names import LABELS
from stages.sources.received import ReceivedImage, Source

_DICOM_SUFFIXES = (".dcm", ".dicom")
_KNOWN_SUFFIXES = (*_DICOM_SUFFIXES, ".jpeg", ".jpg", ".png")
_CLASS_FOLDERS = {label: name for name, label in LABELS.items()}


def anonymise(images: Iterable[ReceivedImage], key: HashKey | None) -> Iterator[ReceivedImage]:
    """Yield `images` with DICOM files reduced to pixels and tags that identify nobody.

    JPEG and PNG files are not changed.

    Args:
        images: As their source delivers them.
        key: Makes a name for each image of its path, and for each patient of their id. So no name
            depends on other images. None: names stay.

    Raises:
        InputError: The key makes one name of two.
    """
    names = _Names(key) if key else None
    for image in images:
        image = replace(image, data=_anonymous_data(image))
        yield names.hide(image) if names else image


def anonymise_source(source: Source, key: HashKey | None) -> Source:
    """Return `source` without the spellings of patients' ids if names are hashed."""
    if key is None or source.merged_patients is None:
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


class _Names:
    """The hashed names of a source, each of one original."""

    def __init__(self, key: HashKey) -> None:
        self._key = key
        self._originals: dict[str, str] = {}

    def hide(self, image: ReceivedImage) -> ReceivedImage:
        folder = f"{image.source_split or 'train'}/{_CLASS_FOLDERS[image.label]}"
        suffix = PurePosixPath(image.path).suffix.lower()
        suffix = suffix if suffix in _KNOWN_SUFFIXES else ""
        return replace(
            image,
            path=f"{folder}/{self._name('image', image.path)}{suffix}",
            patient=f"patient-{self._name('patient', image.patient)}",
            split_group=f"group-{self._name('group', image.split_group)}",
        )

    def _name(self, kind: str, original: str) -> str:
        name = self._key.name(kind, original)
        if self._originals.setdefault(f"{kind}-{name}", original) != original:
            raise InputError(
                f"fetch.hash_names: this key makes the name {name} of two {kind}s; make another "
                "with `pneumonia data key PATH`"
            )
        return name
