"""Images of an archive or folder on disk, told apart by their paths or by a table.

Paths: `{train,val,test}/{NORMAL,PNEUMONIA}/<name>` at any depth, names as `sources.names` knows.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.engine.classes import NORMAL, PNEUMONIA
from stages.engine.errors import InputError
from stages.sources import labels, names
from stages.sources.archives.members import Member, Packing, is_litter
from stages.sources.archives.packing import open_packing
from stages.sources.names import ImageName
from stages.sources.options import MENDELEY_V2
from stages.sources.received import ReceivedImage, Source

# An image of 60 megapixels at 16 bits, uncompressed, is 120 MB.
MAX_IMAGE_BYTES = 256 * 2**20

_IMAGES = {".jpeg", ".jpg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".dcm", ".dicom"}
# Mendeley's version 3 holds scans of the eye in the same folder names.
_OTHER_DATA = {"OCT"}
_CITATION = (
    "Kermany D, Zhang K, Goldbaum M (2018), Labeled Optical Coherence Tomography (OCT) and "
    "Chest X-Ray Images for Classification, Mendeley Data, doi 10.17632/rscbjbr9sj"
)


@dataclass(frozen=True)
class Archive:
    """An archive whose members were all read. `images`: by their paths in the index, sorted."""

    packing: Packing
    images: Mapping[str, Member]
    table: Mapping[str, ImageName] | None
    sha256: str

    def received(self, scratch: Path) -> Iterator[ReceivedImage]:
        """The images in the order of their paths; what must be unpacked lies in `scratch`.

        Raises InputError where `scratch`'s disk is too small for them, or an image can't be had.
        """
        # Disks fill up with little files too: a hundredth, for what is beside the images.
        needed = sum(image.size for image in self.images.values()) * 101 // 100
        needed += self.packing.spooled_bytes()
        free = shutil.disk_usage(scratch).free
        if needed > free:
            raise InputError(
                f"{self.packing.path}: expected {needed / 1e9:.2f} GB of free disk for its images, "
                f"found {free / 1e9:.2f} GB beside data/raw; nothing was written"
            )
        return self._read(scratch)

    def _read(self, scratch: Path) -> Iterator[ReceivedImage]:
        with self.packing.reading(scratch) as read:
            for path, member in self.images.items():
                yield ReceivedImage(path, read(member), **asdict(said_of(path, self.table)))

    def source(self, *, pinned: bool, file: str | None = None) -> Source:
        """What is known of where the images come from; `file`: the archive's name, unless given.

        The data set's name follows from the bytes, never from the file's name or place.
        """
        name = "archive"
        if self.sha256 == MENDELEY_V2:
            name = "kermany"
            facts = "Mendeley Data V2", "CC BY 4.0", _CITATION
        elif self.table is not None:
            facts = "", "not stated by the archive", "not stated by the archive"
        else:
            facts = (
                "",
                "not stated by the archive; its file names are those of a data set under CC BY 4.0",
                f"by its file names: {_CITATION}",
            )
        file = file or self.packing.path.resolve().name
        return Source(name, file, *facts, self.sha256, pinned, synthetic=False)


def receive(
    path: Path, sha256: str | None, *, table: Path | None = None, scratch: Path | None = None
) -> tuple[Iterator[ReceivedImage], Source]:
    """The images of an archive, in the order of their paths, and what is known of it.

    As `look`, with the folder where something may have to be unpacked (the system's, unless
    given), on the disk that the images will be written to.
    """
    archive = look(path, table=table, sha256=sha256)
    images = archive.received(scratch or Path(tempfile.gettempdir()))
    return images, archive.source(pinned=sha256 is not None)


def look(path: Path, *, table: Path | None = None, sha256: str | None = None) -> Archive:
    """Look at every member of the archive at `path`; nothing is written.

    `table`: a CSV (sources.labels) where the paths don't tell what is in an image. `sha256`: what
    `checksum` must be.

    Raises InputError where the file is missing, is no archive, is not the one that is pinned,
    holds a member that is refused, or has no images of both classes.
    """
    packing = open_packing(path)
    received = _checksum(packing, table)
    if sha256 not in (None, received):
        raise InputError(
            f"{path}: expected the archive pinned by fetch.sha256 ({sha256}), received "
            f"{received}; get the right file, or change the pin if this one is meant "
            f"(`pneumonia pin`)"
        )
    said = None if table is None else labels.read(table)
    return Archive(packing, _images(packing, said, table), said, received)


def said_of(path: str, table: Mapping[str, ImageName] | None) -> ImageName:
    """What is said of the image with this path in the index, by the table or else by its name."""
    return names.parse(path) if table is None else table[path]


def _checksum(packing: Packing, table: Path | None) -> str:
    """What pins an archive: its own checksum; with a table, that of the line
    `<archive's> <table's>`, since other labels are other data."""
    if table is None:
        return packing.sha256()
    if not table.is_file():
        labels.read(table)  # which says what is wrong
    both = f"{packing.sha256()} {hashlib.sha256(table.read_bytes()).hexdigest()}\n"
    return hashlib.sha256(both.encode()).hexdigest()


def _images(
    packing: Packing, said: Mapping[str, ImageName] | None, table: Path | None
) -> dict[str, Member]:
    """The images by their paths in the index, sorted; everything odd is refused."""
    images: dict[str, Member] = {}
    problems, unnamed = [], ""
    for member in packing.members():
        if member.problem:
            problems.append(f"{member.name!r}: {member.problem}")
            continue
        try:
            path = _by_name(member) if said is None else _by_table(member, said, table)
        except InputError as error:
            problems.append(str(error))
            unnamed = unnamed or member.name
            continue
        if path is None:
            continue
        if member.size > MAX_IMAGE_BYTES:
            problems.append(
                f"{member.name!r}: {member.size:,} bytes (an image has at most {MAX_IMAGE_BYTES:,})"
            )
        if images.setdefault(path, member).content != member.content:
            problems.append(f"{path}: two different images of one name in the archive")
    if said is not None:
        lacking = sorted(said.keys() - images)
        problems += [f"{path!r}: in {table}, not in the archive" for path in lacking]
    if problems:
        hint = f"\n{_hint(unnamed)}" if unnamed and said is None else ""
        raise InputError(
            f"{packing.path}: nothing was taken from it, because of\n"
            f"{labels.listed(problems)}{hint}"
        )
    _check_classes(packing, images, lambda path: said_of(path, said))
    return dict(sorted(images.items()))


def _by_name(member: Member) -> str | None:
    """`<split>/<class>/<name>`, however deep; so one data set has one index in each packing.

    None for what is no image. Kaggle's zip holds every image twice, at two depths, and 16 training
    images under `val/`. Raises InputError where an image is elsewhere or its name is unknown.
    """
    parts = member.path.parts
    if is_litter(parts) or _OTHER_DATA & set(parts[:-1]):
        return None
    in_class = len(parts) > 1 and parts[-2] in names.LABELS
    if not in_class and member.path.suffix.lower() not in _IMAGES:
        return None  # a note beside the images
    split, folder, name = ("", "", *parts)[-3:]
    if split not in names.SPLITS or folder not in names.LABELS:
        raise InputError(
            f"{member.name!r}: expected an image in {{train,val,test}}/{{NORMAL,PNEUMONIA}}/, "
            "received one elsewhere"
        )
    path = f"{names.SPLITS[split]}/{folder}/{name}"
    names.parse(path)
    return path


def _by_table(member: Member, said: Mapping[str, ImageName], table: Path | None) -> str | None:
    """The member's path as the table has it. Raises InputError for an image that it lacks."""
    path = labels.normal_path(member.name)
    if path in said:
        return path
    if is_litter(member.path.parts) or member.path.suffix.lower() not in _IMAGES:
        return None
    raise InputError(f"{member.name!r}: no row in {table}; add one, or take the image away")


def _check_classes(
    packing: Packing, images: Mapping[str, Member], said: Callable[[str], ImageName]
) -> None:
    found = {said(path).label for path in images}
    if found == {0, 1}:
        return
    received = PNEUMONIA if 1 in found else NORMAL
    what = f"{len(images)} of one class only ({received})" if images else "none"
    raise InputError(
        f"{packing.path}: expected images of both classes in "
        f"{{train,val,test}}/{{NORMAL,PNEUMONIA}}/, or in the table of fetch.labels, found {what}"
    )


def _hint(name: str) -> str:
    return (
        "Images that are named otherwise need a table, which works for any binary data set: set "
        "fetch.labels to\na CSV with the columns path,label,patient[,split][,kind], one row per "
        "image, such as\n"
        "  path,label,patient,split,kind\n"
        f"  {name},normal,patient-1,train,\n"
        "label: normal or pneumonia (0 or 1). patient: whatever tells patients apart. split: "
        "train, val or test,\nfor all images or none. kind: bacterial, viral or nothing."
    )
