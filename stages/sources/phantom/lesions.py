"""Draw pneumonia: water instead of air, in a lobe (bacterial) or in both lungs (viral)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from stages.engine.arrays import GrayImage
from stages.sources.phantom.draws import LESION, Draws, Int32
from stages.sources.phantom.fields import (
    GRID_SHAPE,
    NEPER,
    X_MM,
    Y_MM,
    Float32,
    box_blur,
    clamp,
    noise,
    ramp,
)
from stages.sources.phantom.thorax import TISSUE_PER_MM, Thorax


@dataclass(frozen=True)
class Grade:
    """How obvious a pneumonia is.

    Attributes:
        weight: Relative frequency.
        lobar: Range of the share of air replaced by water in a consolidated lobe.
        haze: The same in a lung with diffuse disease.
        extent: Range of the relative size.
    """

    weight: int
    lobar: tuple[float, float]
    haze: tuple[float, float]
    extent: tuple[float, float]


# These ranges decide how hard the task is: with more weight on grade 1, or with lower ranges, the
# AUROC falls that a classifier can reach without using the site.
GRADES: Final = {
    1: Grade(weight=30, lobar=(0.36, 0.55), haze=(0.22, 0.32), extent=(0.85, 1.10)),
    2: Grade(weight=40, lobar=(0.55, 0.80), haze=(0.32, 0.46), extent=(1.00, 1.30)),
    3: Grade(weight=30, lobar=(0.80, 1.00), haze=(0.46, 0.65), extent=(1.15, 1.50)),
}

# Centre of each zone (shares of the chest's half width, negative for the child's right, and of the
# lung's height) and half axes in mm. A fissure bounds the right upper and middle zones.
_ZONES: Final = {
    "right upper": (-0.50, 0.30, 34.0, 24.0),
    "right middle": (-0.45, 0.70, 30.0, 20.0),
    "right lower": (-0.55, 0.88, 36.0, 26.0),
    "left upper": (0.52, 0.32, 32.0, 26.0),
    "left lower": (0.50, 0.86, 34.0, 27.0),
}


def draw_lesion(
    seed: int, patient: int, image: int, kind: str, grade: int, thorax: Thorax
) -> tuple[Int32, GrayImage]:
    """Draw the lesion of one image: the patient's own, with a density that varies by image.

    Returns:
        Attenuation, int32 GRID_SHAPE in units of 1/4096 neper; and mask, uint8 GRID_SHAPE, 255
        where the attenuation is at least a fifth of its maximum, else 0.
    """
    draws = Draws(seed, LESION, patient)
    chosen = GRADES[grade]
    if kind == "bacterial":
        share = _lobar(draws, thorax, draws.uniform(*chosen.lobar), draws.uniform(*chosen.extent))
    else:
        share = _diffuse(draws, thorax, draws.uniform(*chosen.haze))
    course = Draws(seed, LESION, patient, image + 1).uniform(0.85, 1.15)
    path_mm = share * thorax.lung_mm
    added = np.rint(path_mm * (TISSUE_PER_MM * 0.8 * course * NEPER)).astype(np.int32)
    soft = box_blur(added, 1)
    return soft, np.where(soft * 5 >= max(int(soft.max()), 1), 255, 0).astype(np.uint8)


def _lobar(draws: Draws, thorax: Thorax, density: float, extent: float) -> Float32:
    """Return float32 GRID_SHAPE: share of air replaced, in one zone or, less often, two."""
    names = list(_ZONES)
    first = draws.pick(names, [1] * len(names))
    second = draws.pick(names, [1] * len(names))
    zones = {first, second} if draws.chance(0.2) else {first}
    rough = noise(draws, GRID_SHAPE, 9) + (noise(draws, GRID_SHAPE, 24) >> 1)
    ragged = rough.astype(np.float32) / np.float32(NEPER)
    share = np.zeros(GRID_SHAPE, dtype=np.float32)
    for name in names:
        if name not in zones:
            continue
        across, down, reach_x, reach_y = _ZONES[name]
        x_mm = across * thorax.chest_mm + draws.uniform(-8, 8)
        y_mm = down * thorax.base_mm + draws.uniform(-6, 6)
        u = (X_MM - x_mm) / (reach_x * extent)
        v = (Y_MM - y_mm) / (reach_y * extent)
        zone = ramp(1.9 * (1 - u * u - v * v) + 0.9 * ragged)
        if name == "right upper":
            zone = zone * ramp((0.52 * thorax.base_mm - Y_MM) / 3.0)
        elif name == "right middle":
            zone = zone * ramp((Y_MM - 0.50 * thorax.base_mm) / 3.0)
        share = np.maximum(share, zone * (X_MM * across > 0))
    # Alveoli fill unevenly.
    return density * share * (0.86 + 0.14 * ragged)


def _diffuse(draws: Draws, thorax: Thorax, density: float) -> Float32:
    """Return float32 GRID_SHAPE: share of air replaced, in both lungs, densest near the hila."""
    patches = noise(draws, GRID_SHAPE, 7).astype(np.float32) / np.float32(NEPER)
    # Thickened septa are thin lines, drawn where smooth noise crosses zero.
    net = np.zeros(GRID_SHAPE, dtype=np.float32)
    for cells in (26, 44):
        crossing = np.abs(noise(draws, GRID_SHAPE, cells)).astype(np.float32)
        net += clamp(1 - crossing / np.float32(0.22 * NEPER))
    u = (np.abs(X_MM) - 26.0) / (0.8 * thorax.chest_mm)
    v = (Y_MM - 0.55 * thorax.base_mm) / (0.75 * thorax.base_mm)
    central = 0.5 + 0.75 * clamp(1 - u * u - v * v)
    uneven = draws.uniform(-0.25, 0.25)
    sides = 1 + uneven * np.sign(X_MM)
    return density * clamp(central * (0.85 + 0.45 * patches) * sides + 0.55 * net * central)
