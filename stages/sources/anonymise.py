"""What names a person stays outside: DICOM tags always, names of files and patients on request."""

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from stages.engine.errors import InputError
from stages.sources.dicom import tags, transfer_syntax
from stages.sources.dicom.tags import NOTHING_KEPT, DicomImage
from stages.sources.names import LABELS
from stages.sources.received import ReceivedImage

_SUFFIXES = (".dcm", ".dicom")
_PLAIN = (b"\xff\xd8\xff", b"\x89PNG")
_FOLDERS = {label: name for name, label in LABELS.items()}
# 64 bits: among a million images, two share a name once in 37 million data sets.
_DIGITS = 16


def anonymous(images: Iterable[ReceivedImage], *, hash_names: bool) -> Iterator[ReceivedImage]:
    """`images` as they may be kept: DICOM files without the tags that name a person.

    JPEG and PNG files stay as they are. With `hash_names`, an image is called after a hash of
    its own bytes, and a patient after one of their first image's: a hash of a name can be undone by
    trying names, these can't be without the image. Equal images get -2, -3, ... in their order.
    """
    called: dict[str, int] = {}
    people: dict[tuple[str, str], str] = {}
    for image in images:
        image = replace(image, data=_kept(image))
        yield _renamed(image, called, people) if hash_names else image


def dicom_file(image: DicomImage) -> bytes:
    """A DICOM file of these tags and pixels and nothing else: no name, date, place or identifier.

    Its bytes depend on the image alone, and reading and writing it again gives the same.
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
            kind = "SS" if first < 0 else "US"
            table.add_new("LUTDescriptor", kind, [count % 2**16, first, bits])
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


def without_person(data: bytes) -> bytes:
    """A DICOM file with only what its image's pixels and warnings need.

    Where it can't be read, NOTHING_KEPT stands for it; where its pixels can't be used, they are
    left out: a colour picture is often a report, with a name in it.
    """
    try:
        image = tags.read(data)
    except InputError:
        return NOTHING_KEPT
    try:
        image.refuse_unusable()
    except InputError:
        image = replace(image, pixel_data=None)
    return dicom_file(image)


def _kept(image: ReceivedImage) -> bytes:
    if tags.is_dicom(image.data):
        return without_person(image.data)
    called_dicom = PurePosixPath(image.path).suffix.lower() in _SUFFIXES
    if called_dicom and not image.data.startswith(_PLAIN):
        return NOTHING_KEPT  # its start is damaged, a name may come later
    return image.data


def _renamed(
    image: ReceivedImage, called: dict[str, int], people: dict[tuple[str, str], str]
) -> ReceivedImage:
    digest = hashlib.sha256(image.data).hexdigest()[:_DIGITS]
    folder = f"{image.source_split or 'train'}/{_FOLDERS[image.label]}"
    called[digest] = number = called.get(digest, 0) + 1
    name = digest if number == 1 else f"{digest}-{number}"
    # A first image may come again under a second patient, who must not become the first.
    patient = people.setdefault(("patient", image.patient), f"patient-{name}")
    group = people.setdefault(("group", image.split_group), f"group-{name}")
    suffix = PurePosixPath(image.path).suffix.lower()
    suffix = suffix if suffix in (*_SUFFIXES, ".jpeg", ".jpg", ".png") else ""
    return replace(image, path=f"{folder}/{name}{suffix}", patient=patient, split_group=group)
