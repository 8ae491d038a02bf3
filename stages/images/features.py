"""Features of an image that say nothing about disease, as numbers for linear models.

How it was encoded, its shape, its outer frame; and a thumbnail, which shows the chest too, but no
detail. The audit measures how well each separates the classes in every role; the trivial
baselines of a report are fitted on the same numbers.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeAlias

import cv2
import numpy as np

from stages.engine.arrays import Floats, Numbers

THUMBNAIL_PX = 24
FRAME_PX = 2


class Columns(Protocol):
    """Facts of N images by name, as records.csv has them: a DataFrame, or a dict of lists."""

    def __getitem__(self, name: str, /) -> object: ...


Features: TypeAlias = Callable[[Columns, Numbers], Numbers]
"""From columns (N) and thumbnails (N, 24, 24) to (N, F), float64 or the thumbnails' dtype."""


def thumbnail(image: Numbers) -> Numbers:
    """Return the block means (24, 24) of an image (H, W), in the image's dtype."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    blocks: Numbers = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return blocks


def _encoding(columns: Columns, _: Numbers) -> Floats:
    """Log bytes per pixel, mean of the JPEG quantisation table, whether it has one, ICC profile.

    NaN where it is unknown.
    """
    table = _column(columns, "jpeg_table_mean")
    area = _column(columns, "width") * _column(columns, "height")
    density = np.log(_column(columns, "bytes") / area)
    return np.stack([density, table, np.isfinite(table), _column(columns, "icc")], axis=1)


def _shape(columns: Columns, _: Numbers) -> Floats:
    """Width / height, and log of the area in pixels."""
    width, height = _column(columns, "width"), _column(columns, "height")
    return np.stack([width / height, np.log(width * height)], axis=1)


def _frame(_: Columns, thumbnails: Numbers) -> Numbers:
    """The outer ring of the thumbnail, two cells wide: a twelfth of the image on each side."""
    ring = np.ones((THUMBNAIL_PX, THUMBNAIL_PX), bool)
    ring[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX] = False
    framed: Numbers = thumbnails[:, ring]
    return framed


def _thumbnail(_: Columns, thumbnails: Numbers) -> Numbers:
    """The whole image at 24 x 24."""
    return thumbnails.reshape(len(thumbnails), -1)


FEATURES: Mapping[str, Features] = MappingProxyType(
    {"encoding": _encoding, "shape": _shape, "frame": _frame, "thumbnail": _thumbnail}
)


def _column(columns: Columns, name: str) -> Floats:
    return np.asarray(columns[name], np.float64)
