"""Images of an archive or folder on disk, described by their paths or by a table.

Without a table, paths are `{train,val,test}/{NORMAL,PNEUMONIA}/<name>` at any depth, with names
that `sources.names` can parse.
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.sources import chest_tasks, labels, names
from stages.sources.archives.members import Member, Packing, is_junk
from stages.sources.archives.near_misses import IMAGE_SUFFIXES, NearMisses
from stages.sources.archives.packing import open_packing
from stages.sources.header import is_image
from stages.sources.labels import Table
from stages.sources.names import ImageFacts
from stages.sources.options import MENDELEY_V2
from stages.sources.patient_ids import MergedPatients, lookalikes
from stages.sources.received import ReceivedImage, Source, data_sha256

# An uncompressed image of 60 megapixels at 16 bits has 120 MB.
MAX_IMAGE_BYTES = 256 * 2**20

# Of a file with any other suffix, or none, the content decides whether it is an image.
OTHER_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in [
        "csv",
        "doc",
        "docx",
        "gz",
        "h5",
        "htm",
        "html",
        "ipynb",
        "json",
        "log",
        "md",
        "mat",
        "npy",
        "npz",
        "parquet",
        "pdf",
        "py",
        "tar",
        "tsv",
        "txt",
        "xls",
        "xlsx",
        "xml",
        "yaml",
        "yml",
        "zip",
    ]
)
# Mendeley's version 3 has scans of the eye in folders of the same names.
_IGNORED_FOLDERS = {"OCT"}
_EXPECTED_FOLDERS = "{train,val,test}/{NORMAL,PNEUMONIA}/"
_CITATION = (
    "Kermany D, Zhang K, Goldbaum M (2018), Labeled Optical Coherence Tomography (OCT) and "
    "Chest X-Ray Images for Classification, Mendeley Data, doi 10.17632/rscbjbr9sj"
)


@dataclass(frozen=True)
class Archive:
    """An archive after a scan of all its members.

    Attributes:
        packing: How members are stored and read.
        images: Members that are images, by their paths in the index, sorted.
        table: The facts of each image; None where the path itself gives them.
        sha256: Checksum of everything in the archive, and of the table if there is one.
    """

    packing: Packing
    images: Mapping[str, Member]
    table: Table | None
    sha256: str

    @property
    def merged_patients(self) -> MergedPatients | None:
        """As of `Source`."""
        return self.table.merged if self.table else None

    def received(self, scratch: Path) -> Iterator[ReceivedImage]:
        """Return an iterator over the images, in the order of their paths.

        Args:
            scratch: Folder for temporary files, on the disk where images will be written.

        Raises:
            InputError: The disk is too small for the images. The iterator raises it too, where
                an image can't be read.
        """
        # One per cent more, for the index and for what small files waste.
        needed = sum(image.size for image in self.images.values()) * 101 // 100
        needed += self.packing.scratch_bytes()
        free = shutil.disk_usage(scratch).free
        if needed > free:
            raise InputError(
                f"{self.packing.path}: its images need {needed / 1e9:.2f} GB of disk space, "
                f"{free / 1e9:.2f} GB are free where data/raw lies; free some; nothing was written"
            )
        return self._read(scratch)

    def _read(self, scratch: Path) -> Iterator[ReceivedImage]:
        facts = self.table.facts if self.table else None
        with self.packing.reader(scratch) as read:
            for path, member in self.images.items():
                yield ReceivedImage(path, read(member), **asdict(_facts(path, facts)))

    def source(self, *, pinned: bool, file: str | None = None) -> Source:
        """Return where the images come from; `file` is the archive's name unless given.

        The data set's name follows from the bytes, never from the file's name or place.
        """
        name, task = "archive", chest_tasks.BY_FILE_NAMES
        if self.sha256 == MENDELEY_V2:
            name, task = "kermany", chest_tasks.KERMANY
            facts = "Mendeley Data V2", "CC BY 4.0", _CITATION
        elif self.table is not None:
            task = {"classes": self.table.classes} if self.table.classes else {}
            facts = "", "not stated by the archive", ""
        else:
            facts = (
                "",
                "not stated by the archive; its file names are those of a data set under CC BY 4.0",
                f"by its file names: {_CITATION}",
            )
        file = file or self.packing.path.resolve().name
        return Source(
            name,
            file,
            *facts,
            self.sha256,
            pinned,
            synthetic=False,
            merged_patients=self.merged_patients,
            task=task,
        )


def receive(
    path: Path,
    sha256: str | None,
    *,
    table: Path | None = None,
    classes: tuple[str, str] | None = None,
    scratch: Path | None = None,
) -> tuple[Iterator[ReceivedImage], Source]:
    """Return the images of an archive, in the order of their paths, and where they come from.

    Args:
        path: The archive or folder; errors as of `scan`.
        sha256: The checksum it must have; None: any, and the source counts as not pinned.
        table: As of `scan`.
        classes: As of `scan`.
        scratch: Folder for temporary files, on the disk where images will be written; None: the
            system's temporary folder.
    """
    archive = scan(path, table=table, classes=classes, sha256=sha256)
    images = archive.received(scratch or Path(tempfile.gettempdir()))
    return images, archive.source(pinned=sha256 is not None)


def scan(
    path: Path,
    *,
    table: Path | None = None,
    classes: tuple[str, str] | None = None,
    sha256: str | None = None,
) -> Archive:
    """Check every member of the archive or folder at `path`, writing nothing.

    Args:
        path: The archive or folder.
        table: A CSV file that describes the images (`sources.labels`); None: their paths do.
        classes: The words for 0 and 1 in the table that params state, if any.
        sha256: The checksum that archive and table must have.

    Raises:
        InputError: The file is missing, is not an archive, has another checksum, contains a
            member that is refused, or lacks images of one class.
    """
    packing = open_packing(path)
    actual = _checksum(packing, table)
    if sha256 not in (None, actual):
        raise InputError(
            f"{path}: expected the archive pinned by fetch.sha256 ({sha256}), received {actual}; "
            "get that archive, or pin this one (`pneumonia data pin`)"
        )
    described = None if table is None else labels.read_labels(table, classes)
    facts = described.facts if described else None
    images = _images(packing, facts, table)
    _refuse_lookalikes(table or path, {_facts(name, facts).patient for name in images})
    return Archive(packing, images, described, actual)


def _facts(path: str, table: Mapping[str, ImageFacts] | None) -> ImageFacts:
    return names.parse(path) if table is None else table[path]


def _refuse_lookalikes(place: Path, patients: Iterable[str]) -> None:
    """Raise InputError where two ids may be one person, which nobody but their author knows."""
    groups = lookalikes(patients)
    if groups:
        listed = [" and ".join(map(repr, group)) for group in groups]
        raise InputError(
            f"{place}: expected ids of patients that differ in more than case or the width and "
            f"style of characters; these may be one person ({len(groups)} in all)\n"
            f"{labels.format_problems(listed)}\n"
            "Give one person one spelling, and different people ids that differ otherwise, such as "
            "by a number; nothing was imported"
        )


def _checksum(packing: Packing, table: Path | None) -> str:
    """Return `received.data_sha256` of an archive and the table, if there is one."""
    if table is not None and not table.is_file():
        labels.read_labels(table)  # raises the error that says so
    return data_sha256(packing.sha256(), None if table is None else sha256_file(table))


def _images(
    packing: Packing, facts: Mapping[str, ImageFacts] | None, table: Path | None
) -> dict[str, Member]:
    """Return the images by their paths in the index, sorted; refuse anything unexpected."""
    images: dict[str, Member] = {}
    others: list[Member] = []
    problems, unknown = [], ""
    for member in packing.members():
        if member.problem:
            problems.append(f"{member.name!r}: {member.problem}")
            continue
        try:
            path = _path_by_name(member) if facts is None else _path_in_table(member, facts)
        except InputError as error:
            problems.append(str(error))
            unknown = unknown or member.name
            continue
        if path is None:
            others.append(member)
            continue
        if member.size > MAX_IMAGE_BYTES:
            problems.append(
                f"{member.name!r}: {member.size:,} bytes; an image may have at most "
                f"{MAX_IMAGE_BYTES:,}"
            )
        if images.setdefault(path, member).content != member.content:
            problems.append(
                f"{path}: the archive has two different images of this name; rename or remove one"
            )
    if facts is None:
        unlisted = _images_by_content(packing, others, _IGNORED_FOLDERS)
        problems += [str(_misplaced(member)) for member in unlisted]
        unknown = unknown or "".join(member.name for member in unlisted[:1])
    else:
        unlisted = _images_by_content(packing, others)
        problems += _mismatches(unlisted, sorted(facts.keys() - images), table)
    if problems:
        hint = f"\n{_table_hint(unknown)}" if unknown and facts is None else ""
        raise InputError(
            f"{packing.path}: nothing was imported because of\n"
            f"{labels.format_problems(problems)}{hint}"
        )
    _check_classes(packing, {_facts(path, facts).label for path in images}, len(images))
    return dict(sorted(images.items()))


def _path_by_name(member: Member) -> str | None:
    """Return `<split>/<class>/<name>` of an image at any depth, None for any other file.

    A data set so has one index however it is packed. Kaggle's zip has each image twice, at two
    depths, and 16 training images in `val/`.

    Raises:
        InputError: An image is in another folder, or its name is unknown.
    """
    parts = member.path.parts
    if is_junk(parts) or _IGNORED_FOLDERS & set(parts[:-1]):
        return None
    in_class_folder = len(parts) > 1 and parts[-2] in names.LABELS
    if not in_class_folder and member.path.suffix.lower() not in IMAGE_SUFFIXES:
        return None  # such as a readme
    split, folder, name = ("", "", *parts)[-3:]
    if split not in names.SPLITS or folder not in names.LABELS:
        raise _misplaced(member)
    path = f"{names.SPLITS[split]}/{folder}/{name}"
    names.parse(path)
    return path


def _path_in_table(member: Member, facts: Mapping[str, ImageFacts]) -> str | None:
    """Return the member's path as the table writes it, None for a file that has no row."""
    path = labels.normalised_path(member.name)
    return path if path in facts else None


def _misplaced(member: Member) -> InputError:
    return InputError(
        f"{member.name!r}: expected an image in {_EXPECTED_FOLDERS}, found it elsewhere; move "
        "or remove it"
    )


def _mismatches(
    unlisted: Sequence[Member], missing: Sequence[str], table: Path | None
) -> Iterator[str]:
    """Yield a line for each image without a row and each row without an image, in turn."""
    images = [labels.normalised_path(member.name) for member in unlisted]
    near = NearMisses(missing, images)
    for image, row in itertools.zip_longest(images, missing):
        if image is not None:
            yield f"{image!r}: no row in {table}; add one or remove the image{near.of_image(image)}"
        if row is not None:
            yield (
                f"{row!r}: listed in {table}, missing in the archive; add the image or remove the "
                f"row{near.of_row(row)}"
            )


def _images_by_content(
    packing: Packing, others: Sequence[Member], ignored: Set[str] = frozenset()
) -> list[Member]:
    """Return those of `others` that are images, by suffix or content, in their order.

    Many DICOM files have no suffix. Junk, and files below the folders `ignored`, are none.

    Raises:
        InputError: One can't be read.
    """
    others = [
        member
        for member in others
        if not is_junk(member.path.parts) and not ignored & set(member.path.parts[:-1])
    ]
    found = {member.name for member in others if member.path.suffix.lower() in IMAGE_SUFFIXES}
    unclear = [
        member
        for member in others
        if member.path.suffix.lower() not in IMAGE_SUFFIXES | OTHER_SUFFIXES
        and member.size <= MAX_IMAGE_BYTES
    ]
    if unclear:
        with tempfile.TemporaryDirectory() as scratch, packing.reader(Path(scratch)) as read:
            found |= {member.name for member in unclear if is_image(read(member))}
    return [member for member in others if member.name in found]


def _check_classes(packing: Packing, found: set[int], count: int) -> None:
    if found == {0, 1}:
        return
    images = f"{count} images of one class only (label {max(found)})" if count else "no image"
    raise InputError(
        f"{packing.path}: expected images of both classes, in {_EXPECTED_FOLDERS} or in the table "
        f"of fetch.labels, found {images}"
    )


def _table_hint(name: str) -> str:
    return (
        "Images with other names need a table, which works for any binary data set. Set "
        "fetch.labels to\na CSV file with the columns path,label,patient[,split][,kind] and one "
        "row per image, such as\n"
        "  path,label,patient,split,kind\n"
        f"  {name},0,patient-1,train,\n"
        "label: 0 or 1, the two words of task.classes, or normal and pneumonia. patient: any text "
        "that\nidentifies the patient. split: train, val or test, for all images or none. kind: "
        "bacterial, viral or\nempty."
    )
