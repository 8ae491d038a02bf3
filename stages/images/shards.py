"""The shards: what preprocess writes and everything after it reads.

A folder of one `<role>.npy` per role, `records.csv` with one row per image in shard order, and
`manifest.json`, written last, which names the whole by a digest.
"""

from collections import defaultdict
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from stages.engine import checksums
from stages.engine.classes import CLASS_NAMES
from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_file, write_json
from stages.engine.tables import write_table
from stages.images.pixel_file import PixelFile

if TYPE_CHECKING:  # reading needs pandas; writing, and predicting, must not wait for it
    import pandas as pd

FORMAT = 2
MANIFEST = "manifest.json"
RECORDS = "records.csv"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of records.csv. `id` is the image's path, with `#k` behind it for its k-th
    re-acquired copy; an image may be in several validation roles, so an id is unique within
    its role. `bytes` is None for a copy that was never encoded."""

    id: str
    role: str
    row: int
    label: int
    kind: str
    patient: str
    split_group: str
    source_split: str
    width: int | None
    height: int | None
    jpeg_table_mean: float | None
    icc: int | None
    mode: str
    bytes: int | None


_COLUMNS = [field.name for field in fields(Record)]


class ShardWriter:
    """Appends images to roles in `folder`, then `finish`es with the manifest."""

    def __init__(self, folder: Path, image_px: int) -> None:
        self._folder = folder
        self._image_px = image_px
        self._shards: dict[str, PixelFile] = {}
        self._records: dict[str, list[Record]] = defaultdict(list)

    def add(self, role: str, record: Record, pixels: NDArray[np.uint8]) -> Record:
        """Append one image, uint8 (image_px, image_px), to a role; its record as it is kept."""
        if role not in self._shards:
            self._shards[role] = PixelFile(self._folder / f"{role}.npy", self._image_px)
        shard = self._shards[role]
        kept = replace(record, role=role, row=len(shard))
        self._records[role].append(kept)
        shard.append(pixels)
        return kept

    def finish(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Write records and, last, the manifest, which holds `facts` too; return it.

        Raises ValueError where a shard on disk is not as long as its records: no image may be
        missing quietly.
        """
        self._close()
        write_table(
            self._folder / RECORDS,
            _COLUMNS,
            (asdict(row) for rows in self._records.values() for row in rows),
        )
        for role, rows in self._records.items():
            on_disk = np.load(self._folder / f"{role}.npy", mmap_mode="r").shape
            if on_disk != (len(rows), self._image_px, self._image_px):
                raise ValueError(f"{role}.npy: expected {len(rows)} images, wrote {on_disk}")
        manifest = {
            "format": FORMAT,
            "image_px": self._image_px,
            "counts": {role: _counts(rows) for role, rows in self._records.items()},
            "shards": {f"{role}.npy": sha256_file(self._folder / f"{role}.npy")
                       for role in self._records},
            "records": sha256_file(self._folder / RECORDS),
            **facts,
        }  # fmt: skip
        manifest["digest"] = checksums.content_digest(manifest)
        write_json(self._folder / MANIFEST, manifest)
        return manifest

    def _close(self) -> None:
        for shard in self._shards.values():
            shard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._close()


def _counts(rows: list[Record]) -> dict[str, int]:
    by_class = {
        name: sum(row.label == label for row in rows) for label, name in enumerate(CLASS_NAMES)
    }
    return {**by_class, "patients": len({row.patient for row in rows})}


@dataclass(frozen=True)
class Role:
    """One role: `pixels` uint8 (N, image_px, image_px), a read-only memory map, and `records`,
    N rows in the same order with the columns of `Record`."""

    name: str
    pixels: NDArray[np.uint8]
    records: "pd.DataFrame"

    def __repr__(self) -> str:
        return f"Role({self.name!r}, {len(self.records)} images)"


@dataclass(frozen=True)
class Shards:
    """A finished folder whose bytes are those of its manifest."""

    folder: Path
    manifest: dict[str, Any]
    records: "pd.DataFrame"

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles, train first."""
        return tuple(self.records["role"].unique())

    def role(self, name: str) -> Role:
        """Raises InputError where there is no such role."""
        if name not in self.roles:
            raise InputError(
                f"{self.folder}: expected a role {name!r}, found {', '.join(self.roles)}; "
                "see preprocess in params.yaml for the roles that it can make"
            )
        pixels = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        of_role = self.records[self.records["role"] == name].reset_index(drop=True)
        return Role(name, pixels, of_role)


def open_shards(folder: Path) -> Shards:
    """Open what preprocess wrote, after checking each file against the manifest (seconds per GB).

    Raises InputError that names the file which is missing, of another format, or changed.
    """
    import pandas as pd  # here, not above: predicting does without it

    told = read_json(folder / MANIFEST)
    # Before its digest: another format may well have another.
    if isinstance(told, dict) and told.get("format", FORMAT) != FORMAT:
        raise InputError(
            f"{folder / MANIFEST}: expected format {FORMAT}, received {told['format']!r}; run "
            "`dvc repro preprocess` to write it anew"
        )
    manifest = checksums.read_digested(folder / MANIFEST)
    for name, expected in {**manifest["shards"], RECORDS: manifest["records"]}.items():
        checksums.verify_sha256(folder / name, expected, folder / MANIFEST, _REMEDY)
    # Texts stay texts: an empty kind is no NaN, and a patient named "7" no number.
    numbers = {"row", "label", "width", "height", "icc", "jpeg_table_mean", "bytes"}
    records = pd.read_csv(
        folder / RECORDS,
        dtype={name: str for name in _COLUMNS if name not in numbers},
        keep_default_na=False,
        na_values={name: [""] for name in numbers},
    )
    return Shards(folder, manifest, records)


_REMEDY = "run `dvc repro --force preprocess`"
