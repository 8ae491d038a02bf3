"""Draw two pictures of a data set: some images of each class and role, and their mean images.

They are drawn with OpenCV, which gives the same bytes for the same images; importing a plotting
library would take longer than drawing them.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.audit.collector import TILE_PX, TILES, RoleImages
from stages.engine.arrays import ColorImage, Floats, GrayImage
from stages.engine.task import drawable
from stages.images.resize import resize

Tile = NDArray[np.uint8]
"""A picture, grey (H, W) or blue, green and red (H, W, 3); uint8."""

_MARGIN, _GAP, _LINE = 128, 4, 20
_MEAN_PX = 160
_WHITE, _BLACK = 255, 0


def contact_sheet(roles: Mapping[str, RoleImages], classes: tuple[str, str]) -> bytes:
    """Return a PNG with a row of up to 8 images for each role and class.

    classes: Names of the labels 0 and 1.
    """
    rows = []
    for role, images in roles.items():
        for label, name in enumerate(drawable(classes)):
            tiles = [tile for _, tile in images.tiles.get(label, [])]
            padding = [_blank(TILE_PX)] * (TILES - len(tiles))
            row = _join_tiles([*tiles, *padding])
            rows.append(_add_margin(row, [role, name, f"{images.count(label)} in all"]))
    return _encode(_stack(rows))


def mean_images(roles: Mapping[str, RoleImages], classes: tuple[str, str]) -> bytes:
    """Return a PNG with each role's mean negative, mean positive image, and their difference.

    The difference is positive minus negative, red where the positive is brighter and blue where it
    is darker, on the same scale for all roles.

    classes: Names of the labels 0 and 1.
    """
    means = {role: (images.mean(0), images.mean(1)) for role, images in roles.items()}
    differences = {
        role: positive - negative
        for role, (negative, positive) in means.items()
        if negative is not None and positive is not None
    }
    peaks = [float(np.abs(difference).max()) for difference in differences.values()]
    scale = max(1, int(np.ceil(max(peaks, default=1.0))))
    titles = (*drawable(classes), f"difference, +/-{scale}")
    rows = [_title_row(titles)]
    for role, pair in means.items():
        tiles = [_blank(_MEAN_PX) if mean is None else _draw_mean(mean) for mean in pair]
        difference = differences.get(role)
        tiles.append(
            _blank(_MEAN_PX) if difference is None else _draw_difference(difference / scale)
        )
        rows.append(_add_margin(_join_tiles(tiles), [role]))
    return _encode(_stack(rows))


def _draw_mean(mean: Floats) -> GrayImage:
    return resize(np.rint(mean).astype(np.uint8), _MEAN_PX, _MEAN_PX)


def _draw_difference(share: Floats) -> ColorImage:
    """Draw -1 to 1 from blue over white to red, as uint8 (160, 160, 3), blue, green and red."""
    faded = np.rint(255 * (1 - np.abs(share))).astype(np.uint8)
    full = np.full_like(faded, _WHITE)
    red, blue = np.where(share >= 0, full, faded), np.where(share <= 0, full, faded)
    channels = [resize(channel, _MEAN_PX, _MEAN_PX) for channel in (blue, faded, red)]
    return np.stack(channels, axis=2)


def _blank(side: int) -> GrayImage:
    return np.full((side, side), _WHITE, np.uint8)


def _join_tiles(tiles: Sequence[Tile]) -> ColorImage:
    """Put tiles of one height beside each other, with gaps, as blue, green and red."""
    gap = np.full((tiles[0].shape[0], _GAP, 3), _WHITE, np.uint8)
    parts = [
        part
        for tile in tiles
        for part in (tile if tile.ndim == 3 else cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR), gap)
    ]
    return np.concatenate(parts, axis=1)


def _add_margin(row: ColorImage, lines: Sequence[str]) -> ColorImage:
    """Add a margin with lines of text at the left of a row."""
    margin = np.full((row.shape[0], _MARGIN, 3), _WHITE, np.uint8)
    for number, line in enumerate(lines):
        _draw_text(margin, line, 4, (number + 1) * _LINE)
    return np.concatenate([margin, row], axis=1)


def _title_row(titles: Sequence[str]) -> ColorImage:
    row = np.full((_LINE + _GAP, _MARGIN + len(titles) * (_MEAN_PX + _GAP), 3), _WHITE, np.uint8)
    for number, title in enumerate(titles):
        _draw_text(row, title, _MARGIN + number * (_MEAN_PX + _GAP), _LINE - _GAP)
    return row


def _draw_text(image: ColorImage, text: str, left: int, baseline: int) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(image, text, (left, baseline), font, 0.45, (_BLACK,) * 3, 1, cv2.LINE_AA)


def _stack(rows: Sequence[ColorImage]) -> ColorImage:
    gap = np.full((_GAP, rows[0].shape[1], 3), _WHITE, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)], axis=0)


def _encode(picture: ColorImage) -> bytes:
    _, encoded = cv2.imencode(".png", picture)
    return encoded.tobytes()
