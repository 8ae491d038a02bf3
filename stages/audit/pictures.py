"""Two pictures of the images: a few of each class and role, and their mean images.

PNG files from a few arrays, the same bytes for the same images; without a plotting library,
which would take longer to load than the pictures to draw.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.audit.census import TILE_PX, TILES, Seen
from stages.engine.classes import CLASS_NAMES
from stages.images.resize import resize

Picture = NDArray[np.uint8]

_MARGIN, _GAP, _LINE = 128, 4, 20
_MEAN_PX = 160
_WHITE, _BLACK = 255, 0


def contact_sheet(roles: Mapping[str, Seen]) -> bytes:
    """A PNG: one row of up to 8 images for each role and class, which their names alone choose."""
    rows = []
    for role, seen in roles.items():
        for label, name in enumerate(CLASS_NAMES):
            tiles = [tile for _, tile in seen.tiles.get(label, [])]
            images = sum(record.label == label for record in seen.records)
            row = _row([*tiles, *[_blank(TILE_PX)] * (TILES - len(tiles))])
            rows.append(_labelled(row, [role, name, f"{images} in all"]))
    return _png(_stack(rows))


def mean_images(roles: Mapping[str, Seen]) -> bytes:
    """A PNG: for each role the mean image of the normals, of the pneumonia images, and pneumonia
    minus normal (red where pneumonia is brighter, blue where it is darker), in one scale."""
    pairs = {role: (seen.mean(0), seen.mean(1)) for role, seen in roles.items()}
    differences = {
        role: pneumonia - normal
        for role, (normal, pneumonia) in pairs.items()
        if normal is not None and pneumonia is not None
    }
    peaks = [float(np.abs(difference).max()) for difference in differences.values()]
    scale = max(1, int(np.ceil(max(peaks, default=1.0))))
    rows = []
    for role, means in pairs.items():
        shown = [_blank(_MEAN_PX) if mean is None else _shrunk(_levels(mean)) for mean in means]
        blank = _blank(_MEAN_PX)
        difference = _coloured(differences[role] / scale) if role in differences else blank
        rows.append(_labelled(_row([*shown, difference]), [role]))
    titles = (*CLASS_NAMES, f"difference, +/-{scale}")
    return _png(_stack([_titled(titles), *rows]))


def _levels(mean: NDArray[np.float64]) -> Picture:
    return np.rint(mean).astype(np.uint8)


def _shrunk(image: Picture) -> Picture:
    return resize(image, _MEAN_PX, _MEAN_PX)


def _coloured(share: NDArray[np.float64]) -> Picture:
    """-1 to 1 as uint8 (160, 160, 3), blue, green and red: blue, white, red."""
    away = np.rint(255 * (1 - np.abs(share))).astype(np.uint8)
    full = np.full_like(away, _WHITE)
    red, blue = np.where(share >= 0, full, away), np.where(share <= 0, full, away)
    return np.stack([_shrunk(channel) for channel in (blue, away, red)], axis=2)


def _blank(side: int) -> Picture:
    return np.full((side, side), _WHITE, np.uint8)


def _row(tiles: Sequence[Picture]) -> Picture:
    """Tiles beside each other as blue, green and red, uint8 (H, W, 3), white between them."""
    height = tiles[0].shape[0]
    gap = np.full((height, _GAP, 3), _WHITE, np.uint8)
    parts = [
        part
        for tile in tiles
        for part in (tile if tile.ndim == 3 else cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR), gap)
    ]
    return np.concatenate(parts, axis=1)


def _labelled(row: Picture, lines: Sequence[str]) -> Picture:
    """The row with lines of text at its left."""
    margin = np.full((row.shape[0], _MARGIN, 3), _WHITE, np.uint8)
    for number, line in enumerate(lines):
        _write(margin, line, 4, (number + 1) * _LINE)
    return np.concatenate([margin, row], axis=1)


def _titled(titles: Sequence[str]) -> Picture:
    strip = np.full((_LINE + _GAP, _MARGIN + len(titles) * (_MEAN_PX + _GAP), 3), _WHITE, np.uint8)
    for number, title in enumerate(titles):
        _write(strip, title, _MARGIN + number * (_MEAN_PX + _GAP), _LINE - _GAP)
    return strip


def _write(onto: Picture, text: str, left: int, base: int) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(onto, text, (left, base), font, 0.45, (_BLACK,) * 3, 1, cv2.LINE_AA)


def _stack(rows: Sequence[Picture]) -> Picture:
    gap = np.full((_GAP, rows[0].shape[1], 3), _WHITE, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)], axis=0)


def _png(picture: Picture) -> bytes:
    _, encoded = cv2.imencode(".png", picture)
    return encoded.tobytes()
