"""What preprocess sees of its films while it has their pixels, kept for the audit.

Each film leaves a thumbnail, its share of the mean image and, for a few, a small picture: memory
grows by under a kilobyte a film, and nothing is decoded or read a second time.
"""

import bisect
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.images.duplicates import Pair
from stages.images.features import THUMBNAIL_PX, thumbnail
from stages.images.prepared import Unreadable
from stages.images.resize import resize
from stages.images.shards import Record
from stages.sources.index import IndexRow

CLASSES = ("normal", "pneumonia")
"""Names of the labels 0 and 1."""
TILE_PX, TILES = 96, 8


@dataclass
class Seen:
    """One role: `records` (N), in shard order; by label, `sums` of pixels, uint32 (image_px,
    image_px), and `tiles`, the pictures of a few films that their names alone choose: (order,
    uint8 (96, 96))."""

    records: list[Record] = field(default_factory=list)
    sums: dict[int, NDArray[np.uint32]] = field(default_factory=dict)
    tiles: dict[int, list[tuple[str, NDArray[np.uint8]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _thumbnails: bytearray = field(default_factory=bytearray)

    def add(self, record: Record, pixels: NDArray[np.uint8]) -> None:
        """Take note of one film, uint8 (image_px, image_px)."""
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
        """Of the films in shard order, uint8 (N, 24, 24)."""
        flat = np.frombuffer(memoryview(self._thumbnails).toreadonly(), np.uint8)
        return flat.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)

    def columns(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        """Some records by column, as `features.Columns`."""
        names = [column.name for column in fields(Record)]
        return {name: [getattr(self.records[row], name) for row in rows] for name in names}

    def mean(self, label: int) -> NDArray[np.float64] | None:
        """The mean image of a class, float64 (image_px, image_px), 0 to 255; None without films."""
        if label not in self.sums:
            return None
        return self.sums[label] / sum(record.label == label for record in self.records)


@dataclass
class Census:
    """All of it. `roles`: what each shard holds, by role. `films` and `homes`: each readable film
    once, with the role it was dealt to (re-acquired copies and shared films are in `roles`
    alone); `pairs`: those of them that are one film; `merged_groups`: how many split groups
    became part of another for it; `unreadable`: films set aside."""

    films: Sequence[IndexRow]
    homes: Sequence[str]
    pairs: Sequence[Pair]
    merged_groups: int
    unreadable: Sequence[Unreadable]
    roles: dict[str, Seen] = field(default_factory=dict)

    def see(self, role: str, record: Record, pixels: NDArray[np.uint8]) -> None:
        """Take note of a film that goes to `role`."""
        self.roles.setdefault(role, Seen()).add(record, pixels)
