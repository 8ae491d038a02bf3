"""The raw folder: images as received, one row of facts for each, and where they came from.

`images.zip` holds the images uncompressed, `index.csv` one row per image and `source.json` the
source; `seal.json`, written last, holds the digests of the last two. A folder without an index
or a seal is refused. An image whose header
can't be read is kept like any other, with its header facts left empty: what is received is
recorded here and judged by preprocess.
"""

import contextlib
import csv
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from sys import intern
from typing import Any, Self

from stages.engine import seals
from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_bytes, write_json
from stages.engine.tables import table_writer, write_table
from stages.sources import names
from stages.sources.header import Header, read_header
from stages.sources.stored_zip import StoredZip

IMAGES = "images.zip"
INDEX = "index.csv"
SOURCE = "source.json"

_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: ..., length of its name, of its extra


@dataclass(frozen=True)
class ReceivedImage:
    """One radiograph as received: its file's bytes, and what its source says of it."""

    path: str
    data: bytes
    label: int
    kind: str
    patient: str
    split_group: str
    source_split: str

    @classmethod
    def named(cls, path: str, data: bytes) -> Self:
        """An image of which everything is said by its path. Raises InputError (names.parse)."""
        return cls(path, data, **asdict(names.parse(path)))


@dataclass(frozen=True)
class Source:
    """Where images came from. `pinned`: the same images are certain to come again."""

    name: str
    version: str
    licence: str
    citation: str
    sha256: str
    pinned: bool
    synthetic: bool


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One image's facts. `width` and `height` in pixels as shown, `mode` Pillow's, `icc` 0 or 1;
    these are None or empty where the header can't be read. `jpeg_table_mean` is None where the
    image is no JPEG."""

    path: str
    sha256: str
    bytes: int
    width: int | None
    height: int | None
    label: int
    kind: str
    patient: str
    split_group: str
    source_split: str
    jpeg_table_mean: float | None
    icc: int | None
    mode: str


_COLUMNS = [field.name for field in fields(IndexRow)]
_SEALED = (INDEX, SOURCE, "truth.csv")


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in `images.zip`: small, picklable, and read where it is needed."""

    archive: Path
    offset: int
    row: IndexRow

    def read(self) -> bytes:
        """The image's bytes. Raises InputError where they are not those that were indexed."""
        data = b""
        # An archive that was cut or changed leads to places where there is nothing to read.
        with (
            contextlib.suppress(OSError, ValueError, struct.error),
            self.archive.open("rb", buffering=0) as handle,
        ):
            handle.seek(self.offset)
            name_length, extra_length = _LOCAL_HEADER.unpack(handle.read(_LOCAL_HEADER.size))
            handle.seek(name_length + extra_length, 1)
            data = handle.read(self.row.bytes)
        if sha256_bytes(data) != self.row.sha256:
            raise InputError(
                f"{self.archive}: {self.row.path} is not the image that {INDEX} lists; "
                "run `dvc repro --force fetch`"
            )
        return data


def write_raw(folder: Path, images: Iterable[ReceivedImage], source: Source) -> int:
    """Write images, source and, last, the index (sorted by path); return the number of images.

    `source.json` counts the images' cautions, where there are any. Raises ValueError where a path
    comes twice.
    """
    cautions: Counter[str] = Counter()
    index = folder / f"{INDEX}.partial"
    with (
        StoredZip(folder / IMAGES) as archive,
        index.open("w", newline="", encoding="utf-8") as handle,
    ):
        table = table_writer(handle, _COLUMNS)
        count, last, in_order = 0, "", True
        for image in images:
            header = _header(image.data)
            cautions.update(header.cautions if header else ())
            archive.add(image.path, image.data)
            table.writerow(asdict(_row(image, header)))
            in_order = in_order and last < image.path
            count, last = count + 1, image.path
    if not in_order:
        _sort(index)
    told = {"cautions": dict(sorted(cautions.items()))} if cautions else {}
    write_json(folder / SOURCE, {**asdict(source), "images": count, **told})
    index.rename(folder / INDEX)
    # The images need no more than the index: it holds their digests.
    seals.write(folder, [path for path in sorted(folder.iterdir()) if path.name in _SEALED])
    return count


def _sort(index: Path) -> None:
    """Sort an index by path. Most sources come in order, and then no row is kept in memory."""
    rows = sorted(_read(index), key=lambda row: row.path)
    write_table(index, _COLUMNS, map(asdict, rows))


def open_raw(folder: Path) -> tuple[list[StoredImage], dict[str, Any]]:
    """The images of a raw folder, sorted by path, and its `source.json`.

    Raises InputError where the folder is unfinished or was changed, or index and archive don't
    agree.
    """
    if (folder / INDEX).is_file():
        seals.check(folder)
    rows = read_index(folder)
    source: dict[str, Any] = read_json(folder / SOURCE)
    try:
        with zipfile.ZipFile(folder / IMAGES) as archive:
            offsets = {member.filename: member.header_offset for member in archive.infolist()}
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{folder / IMAGES}: {error}; run `dvc repro --force fetch`") from None
    if set(offsets) != {row.path for row in rows}:
        raise InputError(
            f"{folder / IMAGES}: expected the {len(rows)} images of {INDEX}, found others "
            f"({len(offsets)} members); run `dvc repro --force fetch`"
        )
    archive_path = folder / IMAGES
    return [StoredImage(archive_path, offsets[row.path], row) for row in rows], source


def read_index(folder: Path) -> list[IndexRow]:
    """The rows of a raw folder, sorted by path. Raises InputError where it is unfinished."""
    return _read(folder / INDEX)


def _read(path: Path) -> list[IndexRow]:
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            table = csv.DictReader(handle)
            if table.fieldnames != _COLUMNS:
                raise InputError(
                    f"{path}: expected the columns {','.join(_COLUMNS)}, received "
                    f"{','.join(table.fieldnames or [])}; run `dvc repro --force fetch`"
                )
            return list(_parse(table))
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected an index, found none: {path.parent} is unfinished; run "
            "`dvc repro fetch`"
        ) from None


def _header(data: bytes) -> Header | None:
    try:
        return read_header(data)
    except InputError:
        return None


def _row(image: ReceivedImage, header: Header | None) -> IndexRow:
    return IndexRow(
        path=image.path,
        sha256=sha256_bytes(image.data),
        bytes=len(image.data),
        width=header.width if header else None,
        height=header.height if header else None,
        label=image.label,
        kind=image.kind,
        patient=image.patient,
        split_group=image.split_group,
        source_split=image.source_split,
        jpeg_table_mean=header.jpeg_table_mean if header else None,
        icc=int(header.icc) if header else None,
        mode=header.mode if header else "",
    )


def _parse(table: Iterable[dict[str, str]]) -> Iterator[IndexRow]:
    for row in table:
        yield IndexRow(
            path=row["path"],
            sha256=row["sha256"],
            bytes=int(row["bytes"]),
            width=int(row["width"]) if row["width"] else None,
            height=int(row["height"]) if row["height"] else None,
            label=int(row["label"]),
            # Few texts, of many images: one copy of each in memory.
            kind=intern(row["kind"]),
            patient=intern(row["patient"]),
            split_group=intern(row["split_group"]),
            source_split=intern(row["source_split"]),
            jpeg_table_mean=float(row["jpeg_table_mean"]) if row["jpeg_table_mean"] else None,
            icc=int(row["icc"]) if row["icc"] else None,
            mode=intern(row["mode"]),
        )
