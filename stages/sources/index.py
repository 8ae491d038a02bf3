"""Read the raw folder (data/raw): images as received, and the index of them.

`images.zip` holds the images uncompressed, `index.csv` one row per image and `source.json` their
source. `checksums.json`, written last, covers the other two. A folder without an index or
checksums is refused.
"""

import contextlib
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from sys import intern
from typing import Any

from stages.engine import checksums
from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_bytes
from stages.engine.tables import read_table

IMAGES_FILE = "images.zip"
INDEX_FILE = "index.csv"
SOURCE_FILE = "source.json"

# A zip member's local header ends with the lengths of its name and of its extra field.
_LOCAL_HEADER = struct.Struct("<26xHH")


@dataclass(frozen=True, slots=True)
class IndexRow:
    """Facts of one image; see `ReceivedImage` for those that its source provides.

    The header facts are None ("" for `mode`) where the header can't be read.

    Attributes:
        sha256: Of the image file's bytes.
        bytes: Size of the image file.
        width: In pixels as displayed (EXIF orientation applied, DICOM pixels made square).
        height: Like `width`.
        jpeg_table_mean: Mean of the luminance quantisation table; None also if not a JPEG.
        icc: 1 with an embedded ICC profile, else 0.
        mode: Pillow's mode; for DICOM the photometric interpretation and bits.
    """

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


COLUMNS = [field.name for field in fields(IndexRow)]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A reference to one image in `images.zip`: small and picklable, read on demand.

    Attributes:
        offset: Of the member's local header in `archive`, in bytes.
    """

    archive: Path
    offset: int
    row: IndexRow

    def read(self) -> bytes:
        """Return the bytes of the image file.

        Raises:
            InputError: They differ from the bytes that were indexed.
        """
        data = b""
        # Offsets into a truncated or changed archive may point nowhere.
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
                f"{self.archive}: {self.row.path} is not the image that {INDEX_FILE} lists; "
                "run `dvc repro --force fetch`"
            )
        return data


def open_raw(folder: Path) -> tuple[list[StoredImage], dict[str, Any]]:
    """Return the images of a raw folder, sorted by path, and the content of its `source.json`.

    Raises:
        InputError: The folder is unfinished or was changed, or index and zip disagree.
    """
    if (folder / INDEX_FILE).is_file():
        checksums.verify(folder)
    rows = read_index(folder)
    source: dict[str, Any] = read_json(folder / SOURCE_FILE)
    archive_path = folder / IMAGES_FILE
    try:
        with zipfile.ZipFile(archive_path) as archive:
            offsets = {member.filename: member.header_offset for member in archive.infolist()}
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive_path}: {error}; run `dvc repro --force fetch`") from None
    if set(offsets) != {row.path for row in rows}:
        raise InputError(
            f"{archive_path}: expected the {len(rows)} images of {INDEX_FILE}, found others "
            f"({len(offsets)} members); run `dvc repro --force fetch`"
        )
    return [StoredImage(archive_path, offsets[row.path], row) for row in rows], source


def facts_without_ids(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `source.json` with the number of merged patients, without their ids."""
    if "merged_patients" not in source:
        return dict(source)
    return {**source, "merged_patients": {**source["merged_patients"], "examples": []}}


def read_index(folder: Path) -> list[IndexRow]:
    """Return the rows of a raw folder, sorted by path.

    Raises:
        InputError: The folder is unfinished, or its index has other columns.
    """
    return read_rows(folder / INDEX_FILE)


def read_rows(index: Path) -> list[IndexRow]:
    """Return the rows of the index file at `index`, in its order; errors as of `read_index`."""
    try:
        with index.open(newline="", encoding="utf-8") as handle:
            columns, rows = read_table(handle)
            if columns != COLUMNS:
                raise InputError(
                    f"{index}: expected the columns {','.join(COLUMNS)}, received "
                    f"{','.join(columns)}; run `dvc repro --force fetch`"
                )
            return list(_parse(rows))
    except FileNotFoundError:
        raise InputError(
            f"{index}: expected an index, found none: {index.parent} is unfinished; run "
            "`dvc repro fetch`"
        ) from None


def _parse(table: Iterable[dict[str, str]]) -> Iterator[IndexRow]:
    for row in table:
        yield IndexRow(
            path=row["path"],
            sha256=row["sha256"],
            bytes=int(row["bytes"]),
            width=int(row["width"]) if row["width"] else None,
            height=int(row["height"]) if row["height"] else None,
            label=int(row["label"]),
            # Interned: many images share few distinct values.
            kind=intern(row["kind"]),
            patient=intern(row["patient"]),
            split_group=intern(row["split_group"]),
            source_split=intern(row["source_split"]),
            jpeg_table_mean=float(row["jpeg_table_mean"]) if row["jpeg_table_mean"] else None,
            icc=int(row["icc"]) if row["icc"] else None,
            mode=intern(row["mode"]),
        )
