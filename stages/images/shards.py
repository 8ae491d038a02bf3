"""Read shards: the data set that preprocess writes and every later stage reads.

A folder with one `<role>.npy` per role, `records.csv` with one row per image in the order of the
shards, and `manifest.json`, which is written last and holds checksums, options and a digest that
identifies the data set. `shard_writer` writes it.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.engine import checksums
from stages.engine.arrays import GrayImages
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.engine.tables import MARK, from_cell

if TYPE_CHECKING:  # imported where it is used, because writing and predicting do without it
    import pandas as pd

FORMAT = 3
MANIFEST = "manifest.json"
RECORDS = "records.csv"
_REMEDY = "run `dvc repro --force preprocess`"
_NUMBERS = {"row", "label", "width", "height", "icc", "jpeg_table_mean", "bytes"}


@dataclass(frozen=True, slots=True)
class Record:
    """One row of records.csv; see `sources.index.IndexRow` for the facts of an image's file.

    Attributes:
        id: The image's path, followed by `#k` for its k-th re-acquired copy. An image may be in
            several validation roles, so an id is unique within its role only.
        source: Its source's name in params.
        role: Name of the shard.
        row: Position in the shard, from 0.
        bytes: Size of the image's file; None for a copy that was never encoded.
    """

    id: str
    source: str
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


COLUMNS = [field.name for field in fields(Record)]
"""Columns of records.csv."""


@dataclass(frozen=True)
class Role:
    """The images of one role.

    Attributes:
        name: Such as "train".
        pixels: uint8 (N, image_px, image_px), 0 to 255, a read-only memory map.
        records: N rows in the same order, with the columns of `Record`.
    """

    name: str
    pixels: GrayImages
    records: "pd.DataFrame"

    def __repr__(self) -> str:
        return f"Role({self.name!r}, {len(self.records)} images)"


@dataclass(frozen=True)
class Shards:
    """An open data set whose files match its manifest.

    Attributes:
        folder: Where it lies.
        manifest: The content of manifest.json.
        records: The rows of all roles.
    """

    folder: Path
    manifest: dict[str, Any]
    records: "pd.DataFrame"

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles, train first."""
        return tuple(self.records["role"].unique())

    def role(self, name: str) -> Role:
        """Return the images of a role.

        Raises:
            InputError: There is no such role.
        """
        if name not in self.roles:
            raise InputError(
                f"{self.folder}: expected a role {name!r}, found {', '.join(self.roles)}; "
                "see preprocess in params.yaml for the roles that it can make"
            )
        pixels = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        records = self.records[self.records["role"] == name].reset_index(drop=True)
        return Role(name, pixels, records)


def open_shards(folder: Path) -> Shards:
    """Open a data set after checking each file against the manifest (seconds per gigabyte).

    Raises:
        InputError: A file is missing, of another format, or changed; the message names it.
    """
    import pandas as pd

    manifest = _read_manifest(folder / MANIFEST)
    for name, expected in {**manifest["shards"], RECORDS: manifest["records"]}.items():
        checksums.verify_sha256(folder / name, expected, folder / MANIFEST, _REMEDY)
    # Text columns stay text: an empty kind is no NaN, and a patient named "7" no number.
    records = pd.read_csv(
        folder / RECORDS,
        dtype={name: str for name in COLUMNS if name not in _NUMBERS},
        keep_default_na=False,
        na_values={name: [""] for name in _NUMBERS},
    )
    for name in COLUMNS:
        if name not in _NUMBERS:
            marked = records[name].str.startswith(MARK)
            if marked.any():
                records.loc[marked, name] = records.loc[marked, name].map(from_cell)
    return Shards(folder, manifest, records)


def _read_manifest(path: Path) -> dict[str, Any]:
    content = read_json(path)
    # Checked before the digest, which another format may keep in another way.
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        raise InputError(
            f"{path}: expected format {FORMAT}, received {content['format']!r}; run "
            "`dvc repro preprocess` to write it in this format"
        )
    return checksums.read_digested(path)
