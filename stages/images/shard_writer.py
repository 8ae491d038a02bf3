"""Write shards; `shards` describes the files and reads them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from stages.engine import checksums
from stages.engine.arrays import GrayImage
from stages.engine.classes import CLASS_KEYS
from stages.engine.files import sha256_file, write_json
from stages.engine.tables import write_table
from stages.images.pixel_file import PixelFile
from stages.images.shards import COLUMNS, FORMAT, MANIFEST, RECORDS, Record


class ShardWriter:
    """Appends images to the roles of a new data set; `finish` writes its manifest."""

    def __init__(self, folder: Path, image_px: int) -> None:
        self._folder = folder
        self._image_px = image_px
        self._shards: dict[str, PixelFile] = {}
        self._records: dict[str, list[Record]] = defaultdict(list)

    def add(self, role: str, record: Record, image: GrayImage) -> Record:
        """Append one image, uint8 (image_px, image_px), to a role.

        Returns:
            The record as it is written, with role and row.
        """
        if role not in self._shards:
            self._shards[role] = PixelFile(self._path(role), self._image_px)
        shard = self._shards[role]
        written = replace(record, role=role, row=len(shard))
        self._records[role].append(written)
        shard.append(image)
        return written

    def finish(self, facts: Mapping[str, object]) -> dict[str, Any]:
        """Write records.csv and, last, the manifest.

        Args:
            facts: Further entries of the manifest.

        Returns:
            The manifest.

        Raises:
            ValueError: A shard on disk is not as long as its records; no image may be lost.
        """
        self._close()
        rows = (asdict(record) for records in self._records.values() for record in records)
        write_table(self._folder / RECORDS, COLUMNS, rows)
        self._check_lengths()
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "image_px": self._image_px,
            "counts": {role: _counts(records) for role, records in self._records.items()},
            "shards": {
                self._path(role).name: sha256_file(self._path(role)) for role in self._records
            },
            "records": sha256_file(self._folder / RECORDS),
            **facts,
        }
        manifest["digest"] = checksums.content_digest(manifest)
        write_json(self._folder / MANIFEST, manifest)
        return manifest

    def _check_lengths(self) -> None:
        for role, records in self._records.items():
            shape = np.load(self._path(role), mmap_mode="r").shape
            if shape != (len(records), self._image_px, self._image_px):
                raise ValueError(f"{role}.npy: expected {len(records)} images, wrote {shape}")

    def _path(self, role: str) -> Path:
        return self._folder / f"{role}.npy"

    def _close(self) -> None:
        for shard in self._shards.values():
            shard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._close()


def _counts(records: Sequence[Record]) -> dict[str, int]:
    """Count images by class, and patients."""
    by_class = {
        name: sum(record.label == label for record in records)
        for label, name in enumerate(CLASS_KEYS)
    }
    return {**by_class, "patients": len({record.patient for record in records})}
