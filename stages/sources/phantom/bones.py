"""Bones of the chest as maps of attenuation in nepers, in the body frame."""

import numpy as np

from stages.sources.phantom.anatomy import Child
from stages.sources.phantom.fields import X_MM, Y_MM, Floats, capsule, clamp, dome, ramp


def ribs(child: Child, x: Floats, wall: Floats) -> Floats:
    """float32 (H, W), nepers, for one side; x (1, W) from the spine and wall (H, 1), both mm.

    All ribs of a side are one pattern: a coordinate that grows by one from rib to rib,
    bent over the chest as a rib is. The hind ends arch up and then round the wall; the
    front ends run on from there, down and inwards, and fade where they turn to cartilage.
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
    bones: Floats = nepers * inside * ramp((Y_MM + 12) / 14)
    return bones


def _bars(coordinate: Floats, last: int) -> Floats:
    """float32, 0..1: tubes at every whole number from 0 to `last`, brighter at their rims."""
    nearest = np.rint(coordinate)
    d = np.abs(coordinate - nearest) / 0.235
    tube = ramp((1 - d) * 3.0) * (0.72 + 0.28 * d * d)
    return tube * ((nearest >= 0) & (nearest <= last))


def clavicles(x: Floats, shift_mm: float, child: Child) -> Floats:
    """float32 (H, W), nepers, for one side; its inner end is moved by shift_mm when turned."""
    at = (x - 10.0 - shift_mm) / 82.0
    curve = 4.0 - 13.0 * at + 26.0 * at * (1 - at) * (0.5 - at)
    near = np.abs(Y_MM - curve) / 4.2
    shaft = dome(near) * ramp(at * 12) * ramp((1.02 - at) * 10)
    # The blade of the shoulder, faint, over the upper outer lung.
    blade = ramp((x - 66 - 0.22 * Y_MM) / 7) * ramp((Y_MM - 2) / 8) * ramp((62 - Y_MM) / 26)
    blade = blade * ramp((112 - x) / 10)
    return child.rib_density * (0.36 * shaft + 0.11 * blade)


def limb(x: Floats, start: tuple[float, float], end: tuple[float, float]) -> Floats:
    """float32 (H, W), nepers, for one side: head and shaft of the upper arm's bone."""
    near = capsule(x, Y_MM, start, end)
    shaft = np.sqrt(clamp(1 - near / 34.0))
    head = (x - start[0] - 3) * (x - start[0] - 3) + (Y_MM - start[1]) * (Y_MM - start[1])
    return 0.34 * shaft + 0.3 * np.sqrt(clamp(1 - head / 130.0))


def spine(child: Child) -> Floats:
    """float32 GRID_SHAPE, nepers: the column of vertebrae, darker at each disc."""
    phase = (Y_MM + 20.0) / child.rib_spacing_mm
    disc = np.abs(phase - np.rint(phase))
    body = dome(X_MM / child.spine_mm) * (0.6 + 0.4 * ramp((0.5 - disc) * 7))
    arch = 0.4 * dome(X_MM / (1.7 * child.spine_mm))
    return 0.34 * body + 0.3 * arch
