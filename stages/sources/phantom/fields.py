"""Arithmetic on whole images that gives the same bits on every machine.

Allowed are integers, and elementwise IEEE 754 float32 `+ - * / sqrt`, each a NumPy call of its
own, which no compiler can fuse. Not allowed are exp, sin, pow, float sums, matrix products and
OpenCV's float filters, whose last bits depend on the instruction set.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stages.sources.phantom.draws import Draws, Int32

# Always float32. NumPy's type stubs widen float32 times a Python float, though NumPy doesn't.
Float32 = npt.NDArray[np.floating[Any]]

# The body frame, in which anatomy is drawn, in millimetres of a child of medium size. x increases
# from the child's right (left in the image) and is 0 at the spine; y increases downwards and is 0
# at the apices of the lungs.
GRID_MM: Final = 0.75
GRID_SHAPE: Final = (312, 416)
GRID_TOP_MM: Final = -55.0
HALF: Final = GRID_SHAPE[1] // 2

# Units of attenuation per neper (mu times path length, as in the Beer-Lambert law).
NEPER: Final = 4096

X_MM: Final[Float32] = (
    (np.arange(GRID_SHAPE[1], dtype=np.float32) - np.float32(HALF - 0.5)) * np.float32(GRID_MM)
)[None, :]
Y_MM: Final[Float32] = (
    np.arange(GRID_SHAPE[0], dtype=np.float32) * np.float32(GRID_MM) + np.float32(GRID_TOP_MM)
)[:, None]


def clamp(x: Float32) -> Float32:
    """Clip float32 of any shape to 0 to 1."""
    return np.clip(x, np.float32(0), np.float32(1))


def ramp(x: Float32) -> Float32:
    """Return float32 of any shape: 0 below 0, 1 above 1, 3x^2 - 2x^3 between."""
    x = clamp(x)
    return x * x * (3 - 2 * x)


def dome(u: Float32) -> Float32:
    """Return float32 of any shape: sqrt(1 - u^4), 0 where |u| > 1: path through a blunt solid."""
    u = u * u
    return np.sqrt(clamp(1 - u * u))


def ellipse(x_mm: float, y_mm: float, half_x_mm: float, half_y_mm: float, lean: float) -> Float32:
    """Return float32 GRID_SHAPE: 1 - r^2, at least 0, of an ellipse sheared by `lean` mm per mm."""
    v = (Y_MM - y_mm) / half_y_mm
    u = (X_MM - x_mm - lean * (Y_MM - y_mm)) / half_x_mm
    return clamp(1 - u * u - v * v)


def capsule(
    x: Float32, y: Float32, start: tuple[float, float], end: tuple[float, float]
) -> Float32:
    """Return float32, x broadcast with y: squared distance, mm^2, to the segment start to end."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = clamp((px * dx + py * dy) / (dx * dx + dy * dy))
    px, py = px - along * dx, py - along * dy
    return px * px + py * py


def box_blur(image: Int32, radius: int) -> Int32:
    """Average int32 (H, W) over squares of 2 radius + 1, edges repeated, rounded to the nearest.

    Exact while |values| times the longer side, edges included, are below 2^31.
    """
    width = 2 * radius + 1
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(image, pad, mode="edge"), axis=axis, dtype=np.int32)
        low = sums[:-width] if axis == 0 else sums[:, :-width]
        high = sums[width:] if axis == 0 else sums[:, width:]
        image = (high - low + width // 2) // width
    return image


def enlarge(coarse: Int32, shape: tuple[int, int]) -> Int32:
    """Interpolate int32 (h, w), |values| below 2^15, linearly to int32 `shape`."""
    for axis in (0, 1):
        steps = coarse.shape[axis] - 1
        at = np.arange(shape[axis], dtype=np.int64) * (steps * 256) // shape[axis]
        whole, part = at >> 8, (at & 255).astype(np.int32)
        part = part[:, None] if axis == 0 else part[None, :]
        low, high = np.take(coarse, whole, axis=axis), np.take(coarse, whole + 1, axis=axis)
        coarse = low + (((high - low) * part) >> 8)
    return coarse


def noise(draws: Draws, shape: tuple[int, int], cells: int) -> Int32:
    """Draw smooth noise, int32 `shape`, -4096 to 4096, with `cells` cells along the height."""
    across = cells * shape[1] // shape[0] + 2
    return enlarge(draws.integers(-NEPER, NEPER + 1, (cells + 1, across)), shape)
