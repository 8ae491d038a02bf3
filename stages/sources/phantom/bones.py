"""Attenuation of the bones of the chest, in nepers, in the body frame."""

import numpy as np

from stages.sources.phantom.anatomy import Child
from stages.sources.phantom.fields import X_MM, Y_MM, Float32, capsule, clamp, dome, ramp


def ribs(child: Child, x: Float32, wall: Float32) -> Float32:
    """Draw the ribs of one side.

    They are one pattern of a coordinate that increases by one from rib to rib and is bent over
    the chest as a rib is. The posterior parts arch up and round the wall. The anterior parts go on
    from there, down and inwards, and fade where they become cartilage.

    Args:
        child: Whose ribs they are.
        x: Distance from the spine, mm, float32 (1, W).
        wall: Distance of the chest wall's inner edge from the spine, mm, float32 (H, 1).

    Returns:
        float32 (H, W), nepers.
    """
    q = x / (wall + 5.0)
    inside = (q < 1.0) & (x > 8.0)
    q2 = q * q
    spacing = child.rib_spacing_mm * (1 + 0.0011 * Y_MM)
    height = (Y_MM + 16.0) / spacing
    hind = _bars(height + 1.3 * q - 0.5 * q2 - 2.4 * q2 * q2, last=11)
    r = 1 - q
    front = _bars(height - 1.6 - 2.7 * r + 1.1 * r * r, last=7) * ramp((q - 0.42) / 0.3)
    # Near the wall the beam runs along the rib.
    edge = 0.65 + 0.45 * q2 * q2
    nepers = (0.30 * hind + 0.20 * front) * edge * child.rib_density
    bones: Float32 = nepers * inside * ramp((Y_MM + 12) / 14)
    return bones


def _bars(coordinate: Float32, last: int) -> Float32:
    """Return float32, 0 to 1: tubes at the integers 0 to `last`, brighter at their rims."""
    nearest = np.rint(coordinate)
    d = np.abs(coordinate - nearest) / 0.235
    tube = ramp((1 - d) * 3.0) * (0.72 + 0.28 * d * d)
    return tube * ((nearest >= 0) & (nearest <= last))


def clavicles(x: Float32, shift_mm: float, child: Child) -> Float32:
    """Return float32 (H, W), nepers, of one side: clavicle, and the blade of the shoulder.

    Args:
        x: Distance from the spine, mm.
        shift_mm: How far a turned body moves the inner end outwards.
        child: Whose density it has.
    """
    at = (x - 10.0 - shift_mm) / 82.0
    curve = 4.0 - 13.0 * at + 26.0 * at * (1 - at) * (0.5 - at)
    near = np.abs(Y_MM - curve) / 4.2
    shaft = dome(near) * ramp(at * 12) * ramp((1.02 - at) * 10)
    # The blade of the shoulder is faint, over the upper outer lung.
    blade = ramp((x - 66 - 0.22 * Y_MM) / 7) * ramp((Y_MM - 2) / 8) * ramp((62 - Y_MM) / 26)
    blade = blade * ramp((112 - x) / 10)
    return child.rib_density * (0.36 * shaft + 0.11 * blade)


def limb(x: Float32, start: tuple[float, float], end: tuple[float, float]) -> Float32:
    """Return float32 (H, W), nepers: the humerus of one side, `start` to `end` in mm."""
    near = capsule(x, Y_MM, start, end)
    shaft = np.sqrt(clamp(1 - near / 34.0))
    head = (x - start[0] - 3) * (x - start[0] - 3) + (Y_MM - start[1]) * (Y_MM - start[1])
    return 0.34 * shaft + 0.3 * np.sqrt(clamp(1 - head / 130.0))


def spine(child: Child) -> Float32:
    """Return float32 GRID_SHAPE, nepers: the vertebrae, less dense at each disc."""
    phase = (Y_MM + 20.0) / child.rib_spacing_mm
    disc = np.abs(phase - np.rint(phase))
    body = dome(X_MM / child.spine_mm) * (0.6 + 0.4 * ramp((0.5 - disc) * 7))
    arch = 0.4 * dome(X_MM / (1.7 * child.spine_mm))
    return 0.34 * body + 0.3 * arch
