"""Facts of an image that say nothing of disease, as numbers for linear models.

How it was encoded, its shape, its outer frame; and a thumbnail, which sees the chest too, but
no detail of it. The audit asks how well each tells the class in every role; the trivial
baselines of a report are fitted on the same numbers.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats

THUMBNAIL_PX = 24
FRAME_PX = 2


class Columns(Protocol):
    """Facts of N images by name, as records.csv has them: a table, or a dict of lists."""

    def __getitem__(self, name: str, /) -> Any: ...


Features: TypeAlias = Callable[[Columns, NDArray[Any]], NDArray[Any]]
"""Columns (N) and thumbnails (N, 24, 24) in, (N, F) out: float64, or the thumbnails' own type."""


def thumbnail(image: NDArray[Any]) -> NDArray[Any]:
    """Block means (24, 24) of an image (H, W), in the image's own type."""
    side = (THUMBNAIL_PX, THUMBNAIL_PX)
    shrunk: NDArray[Any] = cv2.resize(image, side, interpolation=cv2.INTER_AREA)
    return shrunk


def _encoding(columns: Columns, _: NDArray[Any]) -> Floats:
    """Log bytes per pixel, mean of the JPEG quantisation table, whether there is one, ICC profile.

    NaN where an image does not tell.
    """
    table = _numbers(columns, "jpeg_table_mean")
    area = _numbers(columns, "width") * _numbers(columns, "height")
    density = np.log(_numbers(columns, "bytes") / area)
    return np.stack([density, table, np.isfinite(table), _numbers(columns, "icc")], axis=1)


def _shape(columns: Columns, _: NDArray[Any]) -> Floats:
    """Width / height, and log of the area in pixels."""
    width, height = _numbers(columns, "width"), _numbers(columns, "height")
    return np.stack([width / height, np.log(width * height)], axis=1)


def _frame(_: Columns, thumbnails: NDArray[Any]) -> NDArray[Any]:
    """The outer ring of the thumbnail, two cells wide: a twelfth of the image on each side."""
    ring = np.ones((THUMBNAIL_PX, THUMBNAIL_PX), bool)
    ring[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX] = False
    framed: NDArray[Any] = thumbnails[:, ring]
    return framed


def _thumbnail(_: Columns, thumbnails: NDArray[Any]) -> NDArray[Any]:
    """The whole image at 24 x 24."""
    return thumbnails.reshape(len(thumbnails), -1)


FEATURES: Mapping[str, Features] = MappingProxyType(
    {"encoding": _encoding, "shape": _shape, "frame": _frame, "thumbnail": _thumbnail}
)


def _numbers(columns: Columns, name: str) -> Floats:
    return np.asarray(columns[name], np.float64)
