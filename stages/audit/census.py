"""What the audit keeps of each image while preprocess has its pixels.

Each image leaves a thumbnail, its share of the mean image and, for a few, a small picture: memory
grows by under a kilobyte an image, and nothing is decoded or read a second time.
"""

import bisect
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.images.features import THUMBNAIL_PX, thumbnail
from stages.images.resize import resize
from stages.images.shards import Record

TILE_PX, TILES = 96, 8


@dataclass
class Seen:
    """One role: `records` (N), in shard order; by label, `sums` of pixels, uint32 (image_px,
    image_px), and `tiles`, the pictures of a few images that their names alone choose: (order,
    uint8 (96, 96))."""

    records: list[Record] = field(default_factory=list)
    sums: dict[int, NDArray[np.uint32]] = field(default_factory=dict)
    tiles: dict[int, list[tuple[str, NDArray[np.uint8]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _thumbnails: bytearray = field(default_factory=bytearray)

    def add(self, record: Record, pixels: NDArray[np.uint8]) -> None:
        """Take note of one image, uint8 (image_px, image_px)."""
        self.records.append(record)
        self._thumbnails += thumbnail(pixels).tobytes()
        total = self.sums.setdefault(record.label, np.zeros(pixels.shape, np.uint32))
        total += pixels
        order = hashlib.sha256(f"tile/{record.id}".encode()).hexdigest()
        shown = self.tiles[record.label]
        if len(shown) < TILES or order < shown[-1][0]:
            bisect.insort(shown, (order, resize(pixels, TILE_PX, TILE_PX)), key=lambda one: one[0])
            del shown[TILES:]

    @property
    def thumbnails(self) -> NDArray[np.uint8]:
        """Of the images in shard order, uint8 (N, 24, 24)."""
        flat = np.frombuffer(memoryview(self._thumbnails).toreadonly(), np.uint8)
        return flat.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)

    def columns(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        """Some records by column, as `features.Columns`."""
        names = [column.name for column in fields(Record)]
        return {name: [getattr(self.records[row], name) for row in rows] for name in names}

    def mean(self, label: int) -> NDArray[np.float64] | None:
        """Mean image of a class, float64 (image_px, image_px), 0 to 255; None without images."""
        if label not in self.sums:
            return None
        return self.sums[label] / sum(record.label == label for record in self.records)


@dataclass
class Census:
    """What each shard holds, by role: re-acquired copies and shared images too."""

    roles: dict[str, Seen] = field(default_factory=dict)

    def see(self, role: str, record: Record, pixels: NDArray[np.uint8]) -> None:
        """Add an image, uint8 (image_px, image_px), to `role` (an `images.build.OnImage`)."""
        self.roles.setdefault(role, Seen()).add(record, pixels)
