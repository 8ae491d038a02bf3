"""Read the raw folder (data/raw): images as received, and the index of them.

`images.zip`, or the parts into which it is divided (`sources.parts`), hold the images uncompressed,
`index.csv` one row per image and `source.json` their sources. `checksums.json`, written last,
covers the other two. A folder without an index or checksums is refused.
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

INDEX_FILE = "index.csv"
SOURCE_FILE = "source.json"

# A zip member's local header ends with the lengths of its name and of its extra field.
_LOCAL_HEADER = struct.Struct("<26xHH")


@dataclass(frozen=True, slots=True)
class IndexRow:
    """Facts of one image; see `ReceivedImage` for those that its source provides.

    The header facts are None ("" for `mode`) where the header can't be read.

    Attributes:
        source: Its source's name in params.
        sha256: Of the image file's bytes.
        bytes: Size of the image file.
        width: In pixels as displayed (EXIF orientation applied, DICOM pixels made square).
        height: Like `width`.
        jpeg_table_mean: Mean of the luminance quantisation table; None also if not a JPEG.
        icc: 1 with an embedded ICC profile, else 0.
        mode: Pillow's mode; for DICOM the photometric interpretation and bits.
        part: Name of the zip archive in which the image lies.
        offset: Of the image's local header in that archive, in bytes.
    """

    path: str
    source: str
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
    part: str
    offset: int


COLUMNS = [field.name for field in fields(IndexRow)]


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A reference to one image in its archive: small and picklable, read on demand.

    Attributes:
        archive: The zip archive in which it lies.
        row: Its facts.
    """

    archive: Path
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
            handle.seek(self.row.offset)
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
    archives = {part: folder / part for part in sorted({row.part for row in rows})}
    for archive in archives.values():
        _require_archive(archive)
    return [StoredImage(archives[row.part], row) for row in rows], source


def _require_archive(archive: Path) -> None:
    try:
        whole = zipfile.is_zipfile(archive)
    except OSError as error:
        raise InputError(f"{archive}: {error.strerror}; run `dvc repro --force fetch`") from None
    if not whole:
        found = "a damaged file" if archive.exists() else "no file"
        raise InputError(
            f"{archive}: expected an archive that {INDEX_FILE} names, found {found}; run "
            f"`dvc checkout {archive.parent}`, or `dvc repro --force fetch`"
        )


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
    return list(iterate_rows(folder / INDEX_FILE))


def iterate_rows(index: Path) -> Iterator[IndexRow]:
    """Yield the rows of the index file at `index`, in its order; errors as of `read_index`."""
    try:
        with index.open(newline="", encoding="utf-8") as handle:
            columns, rows = read_table(handle)
            if columns and "source" not in columns:
                raise InputError(
                    f"{index}: expected an index with the column source, received one of an "
                    "earlier version, which knew one source only; run `dvc repro fetch` to write "
                    "it in this format"
                )
            if columns != COLUMNS:
                raise InputError(
                    f"{index}: expected the columns {','.join(COLUMNS)}, received "
                    f"{','.join(columns)}; run `dvc repro --force fetch`"
                )
            yield from _parse(rows)
    except FileNotFoundError:
        raise InputError(
            f"{index}: expected an index, found none: {index.parent} is unfinished; run "
            "`dvc repro fetch`"
        ) from None


def _parse(table: Iterable[dict[str, str]]) -> Iterator[IndexRow]:
    for row in table:
        yield IndexRow(
            path=row["path"],
            source=intern(row["source"]),
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
            part=intern(row["part"]),
            offset=int(row["offset"]),
        )
