"""Collect what the audit needs of each image while preprocess has its pixels in memory.

Each image leaves a thumbnail, its share of the mean image and, for a few, a small picture: under a
kilobyte per image, and nothing is decoded or read a second time.
"""

import bisect
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats, GrayImage, GrayImages
from stages.images.features import THUMBNAIL_PX, thumbnail
from stages.images.levels import count_levels, quantiles
from stages.images.resize import resize
from stages.images.shards import Record

TILE_PX, TILES = 96, 8
LEVEL_SHARES = (0.05, 0.5, 0.95)
"""Which quantiles of an image's grey levels are kept."""
_GREYS = np.arange(256.0)

Value: TypeAlias = str | int | float | None
"""A field of a record."""


@dataclass
class RoleImages:
    """What is kept of the images of one role.

    Attributes:
        records: N records in the order of the shard.
        sums: By label, the sum of the pixels, uint32 (image_px, image_px).
        tiles: By label, up to 8 small pictures, (hash, uint8 (96, 96)): those with the smallest
            hashes of their ids.
    """

    records: list[Record] = field(default_factory=list)
    sums: dict[int, NDArray[np.uint32]] = field(default_factory=dict)
    tiles: dict[int, list[tuple[str, GrayImage]]] = field(default_factory=lambda: defaultdict(list))
    _thumbnails: bytearray = field(default_factory=bytearray)
    _levels: bytearray = field(default_factory=bytearray)

    def add(self, record: Record, image: GrayImage) -> None:
        """Add one image, uint8 (image_px, image_px)."""
        self.records.append(record)
        self._thumbnails += thumbnail(image).tobytes()
        self._levels += bytes(map(int, quantiles(_GREYS, count_levels(image, 256), LEVEL_SHARES)))
        total = self.sums.setdefault(record.label, np.zeros(image.shape, np.uint32))
        total += image
        order = hashlib.sha256(f"tile/{record.id}".encode()).hexdigest()
        tiles = self.tiles[record.label]
        if len(tiles) < TILES or order < tiles[-1][0]:
            bisect.insort(tiles, (order, resize(image, TILE_PX, TILE_PX)), key=lambda tile: tile[0])
            del tiles[TILES:]

    @property
    def thumbnails(self) -> GrayImages:
        """Thumbnails in the order of the shard, uint8 (N, 24, 24)."""
        flat = np.frombuffer(memoryview(self._thumbnails).toreadonly(), np.uint8)
        return flat.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)

    @property
    def grey_levels(self) -> NDArray[np.uint8]:
        """Quantiles LEVEL_SHARES of each image's grey levels, in the order of the shard, (N, 3)."""
        flat = np.frombuffer(memoryview(self._levels).toreadonly(), np.uint8)
        return flat.reshape(-1, len(LEVEL_SHARES))

    def columns(self, rows: Sequence[int]) -> dict[str, list[Value]]:
        """Return some records by column, as `features.Columns`."""
        names = [column.name for column in fields(Record)]
        return {name: [getattr(self.records[row], name) for row in rows] for name in names}

    def count(self, label: int) -> int:
        """Number of images of a class."""
        return sum(record.label == label for record in self.records)

    def mean(self, label: int) -> Floats | None:
        """Mean image of a class, float64 (image_px, image_px), 0 to 255; None without images."""
        return self.sums[label] / self.count(label) if label in self.sums else None


@dataclass
class Collector:
    """What is kept of every image in the shards, re-acquired copies included, by role."""

    roles: dict[str, RoleImages] = field(default_factory=dict)

    def add(self, role: str, record: Record, image: GrayImage) -> None:
        """Add an image, uint8 (image_px, image_px): an `images.build.OnImage`."""
        self.roles.setdefault(role, RoleImages()).add(record, image)
