"""Whole-image arithmetic that gives the same bits on every machine.

Allowed here: integers, and elementwise IEEE 754 float32 `+ - * / sqrt`, each its own NumPy
call (so the compiler has nothing to fuse). Not allowed: exp, sin, pow, float sums, matrix
products and OpenCV's float filters, whose last bits depend on the instruction set.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stages.sources.phantom.draws import Draws, Int32

# float32 throughout; NumPy's type stubs widen float32 times a Python float, NumPy doesn't.
Floats = npt.NDArray[np.floating[Any]]

# The body frame: where anatomy is drawn, upright, in millimetres of a child of middle size.
# x runs from the child's right (left in the image), 0 at the spine; y runs down, 0 at the apices.
GRID_MM: Final = 0.75
GRID_SHAPE: Final = (312, 416)
GRID_TOP_MM: Final = -55.0
HALF: Final = GRID_SHAPE[1] // 2

# Attenuation is kept in units of 1/4096 neper (mu times path, as in Beer-Lambert).
NEPER: Final = 4096

X_MM: Final[Floats] = (
    (np.arange(GRID_SHAPE[1], dtype=np.float32) - np.float32(HALF - 0.5)) * np.float32(GRID_MM)
)[None, :]
Y_MM: Final[Floats] = (
    np.arange(GRID_SHAPE[0], dtype=np.float32) * np.float32(GRID_MM) + np.float32(GRID_TOP_MM)
)[:, None]


def clamp(x: Floats) -> Floats:
    """float32 of any shape, cut to 0..1."""
    return np.clip(x, np.float32(0), np.float32(1))


def ramp(x: Floats) -> Floats:
    """float32 of any shape: 0 below 0, 1 above 1, smooth between (3x^2 - 2x^3)."""
    x = clamp(x)
    return x * x * (3 - 2 * x)


def dome(u: Floats) -> Floats:
    """float32 of any shape: sqrt(1 - u^4), 0 where |u| > 1; the path through a blunt solid."""
    u = u * u
    return np.sqrt(clamp(1 - u * u))


def ellipse(x_mm: float, y_mm: float, half_x_mm: float, half_y_mm: float, lean: float) -> Floats:
    """float32 GRID_SHAPE: 1 - r^2, at least 0, for an ellipse sheared by `lean` (mm per mm)."""
    v = (Y_MM - y_mm) / half_y_mm
    u = (X_MM - x_mm - lean * (Y_MM - y_mm)) / half_x_mm
    return clamp(1 - u * u - v * v)


def capsule(x: Floats, y: Floats, start: tuple[float, float], end: tuple[float, float]) -> Floats:
    """float32, shape of x with y: squared distance in mm^2 from the segment start to end (mm)."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = clamp((px * dx + py * dy) / (dx * dx + dy * dy))
    px, py = px - along * dx, py - along * dy
    return px * px + py * py


def box_blur(image: Int32, radius: int) -> Int32:
    """int32 (H, W): mean over a (2 radius + 1)-square, edges repeated, rounded to the nearest.

    Exact as long as |values| times the longer side (edges included) stay below 2^31.
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
    """int32 `shape` from int32 (h, w), |values| below 2^15: linear between the coarse samples."""
    for axis in (0, 1):
        steps = coarse.shape[axis] - 1
        at = np.arange(shape[axis], dtype=np.int64) * (steps * 256) // shape[axis]
        whole, part = at >> 8, (at & 255).astype(np.int32)
        part = part[:, None] if axis == 0 else part[None, :]
        low, high = np.take(coarse, whole, axis=axis), np.take(coarse, whole + 1, axis=axis)
        coarse = low + (((high - low) * part) >> 8)
    return coarse


def noise(draws: Draws, shape: tuple[int, int], cells: int) -> Int32:
    """int32 `shape`, -4096..4096: smooth noise with `cells` bumps down the height."""
    across = cells * shape[1] // shape[0] + 2
    return enlarge(draws.integers(-NEPER, NEPER + 1, (cells + 1, across)), shape)
