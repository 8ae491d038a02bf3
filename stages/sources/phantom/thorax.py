"""Draw the attenuation of a child without disease in the body frame."""

from dataclasses import dataclass

import numpy as np

from stages.sources.phantom.anatomy import Child, Pose
from stages.sources.phantom.bones import clavicles, limb, ribs, spine
from stages.sources.phantom.draws import VESSELS, Draws, Int32
from stages.sources.phantom.fields import (
    GRID_MM,
    GRID_SHAPE,
    GRID_TOP_MM,
    HALF,
    NEPER,
    X_MM,
    Y_MM,
    Float32,
    box_blur,
    capsule,
    clamp,
    dome,
    ellipse,
    noise,
    ramp,
)

# Nepers per mm of soft tissue, and of water that replaces air in a lung.
TISSUE_PER_MM = 0.0195


@dataclass(frozen=True)
class Thorax:
    """A child in the body frame.

    Attributes:
        attenuation: float32 GRID_SHAPE, nepers, without lung markings.
        lung_mm: float32 GRID_SHAPE, path through aerated lung.
        base_mm: Height of the right dome of the diaphragm, below the apices.
        chest_mm: Half the inner width of the chest.
    """

    attenuation: Float32
    lung_mm: Float32
    base_mm: float
    chest_mm: float


def draw_thorax(child: Child, pose: Pose) -> Thorax:
    """Draw body, lungs, heart, abdomen and bones of one child in one pose."""
    chest_mm = child.chest_mm + 3.0 * pose.inspiration
    base_mm = 84.0 + 30.0 * pose.inspiration
    attenuation = np.zeros(GRID_SHAPE, dtype=np.float32)
    lung_mm = np.zeros(GRID_SHAPE, dtype=np.float32)
    for sign in (-1, 1):
        half = slice(0, HALF) if sign < 0 else slice(HALF, None)
        side = _Side(child, pose, sign, chest_mm, base_mm)
        lung_mm[:, half] = side.lung_mm()
        attenuation[:, half] = side.tissue() + side.bones()
    heart = _heart(child, pose, base_mm)
    mediastinum = _mediastinum(child, pose)
    lung_mm *= 1 - np.maximum(0.68 * heart, 0.78 * mediastinum)
    # A less inflated lung is denser.
    air = 0.66 + 0.15 * pose.inspiration
    attenuation -= (TISSUE_PER_MM * air) * lung_mm
    attenuation += 0.14 * np.maximum(heart, mediastinum)
    attenuation += spine(child) + _head(child) - _airway(pose) - _gas(child, base_mm)
    return Thorax(np.maximum(attenuation, np.float32(0)), lung_mm, base_mm, chest_mm)


class _Side:
    """One half of the body; x is the distance from the spine, so both sides share the formulas."""

    def __init__(
        self, child: Child, pose: Pose, sign: int, chest_mm: float, base_mm: float
    ) -> None:
        self.child, self.pose, self.sign = child, pose, sign
        self.x = X_MM[:, HALF:] if sign > 0 else -X_MM[:, :HALF]
        # In a turned body one half of the chest looks narrower.
        self.wall_mm = chest_mm * (1 + 0.06 * pose.turn * sign)
        self.dome_mm = base_mm + (4.0 if sign > 0 else 0.0)
        # The inner edge of the chest wall, (H, 1): a dome at the apex, straight at the base.
        v = clamp(1 - (Y_MM - 1.0) / (base_mm + 6.0))
        bell = v * v if child.apex_power < 2.3 else v * v * np.sqrt(v)
        self.wall = 22.0 + (self.wall_mm - 22.0) * np.sqrt(clamp(1 - bell)) * (
            0.82 + 0.18 * ramp((Y_MM + 10) / 120)
        )
        self.wall += (3.0 * (child.apex_power - 2.3)) * ramp(Y_MM / 110)

    def lung_mm(self) -> Float32:
        """Return float32 (H, W / 2): path through the lung in mm, as if there were no heart."""
        inner = 9.0 + 4.0 * ramp(1 - Y_MM / 30)
        middle, half = (self.wall + inner) / 2, (self.wall - inner) / 2
        depth = (46.0 + 42.0 * ramp(Y_MM / 55)) * (1 + 0.07 * self.pose.turn * self.sign)
        across = dome((self.x - middle) / half)
        # The diaphragm is a dome that falls towards the costophrenic angle and a little inwards.
        lean = (self.x - 0.42 * self.wall_mm) / self.wall_mm
        fall = np.where(lean > 0, np.float32(74), np.float32(26)) * lean * lean
        edge = self.dome_mm + fall.astype(np.float32)
        above = ramp((edge - Y_MM) / 3.0 + 0.5)
        # Lung behind the dome is visible through the abdomen.
        behind = 0.2 * clamp(1 - (Y_MM - edge) / 26.0)
        apex = ramp((Y_MM + 1.0) / 7.0)
        return across * depth * apex * (0.8 * above + behind)

    def tissue(self) -> Float32:
        """Return float32 (H, W / 2), nepers: trunk, shoulder, neck and arm as solid tissue."""
        child = self.child
        neck = 26.0 + 88.0 * ramp((Y_MM + 48) / 56)
        trunk = self.wall + 5.0 + child.fat_mm
        # Neck, shoulders and then, below the armpit, the trunk.
        outline = neck + (trunk - neck) * ramp((Y_MM - 2) / 52)
        girth = 62.0 + (child.girth_mm - 62.0) * ramp((Y_MM + 34) / 62)
        trunk_path = girth * dome(self.x / outline)
        # Along the edge of the lung the beam runs within the wall, which gives a bright line.
        wall = clamp(1 - np.abs(self.x - self.wall - 2.5) / 4.0) * ramp((Y_MM - 4) / 30)
        body: Float32 = np.maximum(TISSUE_PER_MM * trunk_path, self._arm())
        return body + 0.30 * wall

    def _arm(self) -> Float32:
        start, end = self._arm_line()
        near = capsule(self.x, Y_MM, start, end)
        flesh: Float32 = np.sqrt(np.maximum(np.float32(20.0 * 20.0) - near, np.float32(0)))
        return (3.2 * TISSUE_PER_MM) * flesh

    def _arm_line(self) -> tuple[tuple[float, float], tuple[float, float]]:
        rise = self.pose.arms[(self.sign + 1) // 2]
        return (101.0, 8.0), (101.0 + 60.0, 8.0 - 60.0 * rise)

    def bones(self) -> Float32:
        """Return float32 (H, W / 2), nepers: ribs, clavicle, humerus."""
        shift = 5.0 * self.pose.turn * self.sign
        return (
            ribs(self.child, self.x, self.wall)
            + clavicles(self.x, shift, self.child)
            + limb(self.x, *self._arm_line())
        )


def _heart(child: Child, pose: Pose, base_mm: float) -> Float32:
    """Return float32 GRID_SHAPE, 0 to 1: the silhouette of the heart, sharp-edged."""
    x_mm = 13.0 + 7.0 * pose.turn
    # A high diaphragm pushes the heart up and makes it look wider.
    wide = child.heart * (49.0 - 6.0 * pose.inspiration)
    tall = child.heart * 46.0
    body = ellipse(x_mm, base_mm - 0.55 * tall, wide, tall, child.heart_lean - 0.15)
    # The pulmonary trunk fills the notch between heart and great vessels on the left.
    trunk = ellipse(16.0 + 5.0 * pose.turn, base_mm - 1.25 * tall, 22.0, 32.0, 0.35)
    heart: Float32 = np.maximum(ramp(3.0 * body) * (0.72 + 0.28 * body), 0.85 * ramp(2.2 * trunk))
    return heart


def _mediastinum(child: Child, pose: Pose) -> Float32:
    """Return float32 GRID_SHAPE, 0 to 1: great vessels and thymus."""
    shift = 4.0 * pose.turn
    length = ramp((Y_MM + 12) / 16) * ramp((92 - Y_MM) / 30)
    # The lobes of the thymus have the shape of sails, widest near their lower end.
    sail = ramp((Y_MM - 4) / 34) * ramp((60 - Y_MM) / 12)
    right = 17.0 + child.thymus_mm[0] * sail
    left = 19.0 + child.thymus_mm[1] * sail
    edge = np.where(shift > X_MM, right + (X_MM - shift), left - (X_MM - shift))
    knob = 0.7 * ramp(1.3 * ellipse(17.0 + shift, 29.0, 12.0, 14.0, 0.0))
    silhouette: Float32 = np.maximum(ramp(edge.astype(np.float32) / 4.0 + 0.5) * length, knob)
    return silhouette


def _head(child: Child) -> Float32:
    """Return float32 GRID_SHAPE, nepers: the jaw, at the upper edge of wide images."""
    return 1.3 * ramp(3.0 * ellipse(0.0, child.head_mm, 36.0, 26.0, 0.0))


def _airway(pose: Pose) -> Float32:
    """Return float32 GRID_SHAPE, nepers to subtract: the trachea, down to its bifurcation."""
    tube = clamp(1 - (X_MM + 1.5 - 3.0 * pose.turn) * (X_MM + 1.5 - 3.0 * pose.turn) / 25.0)
    return 0.24 * tube * ramp((44 - Y_MM) / 10)


def _gas(child: Child, base_mm: float) -> Float32:
    """Return float32 GRID_SHAPE, nepers to subtract: gas in stomach and colon."""
    stomach = ellipse(40.0 + 12.0 * child.gas, base_mm + 26.0, 25.0, 12.0, -0.3)
    colon = ellipse(-28.0 + 60.0 * child.gas, base_mm + 50.0, 30.0, 10.0, 0.4)
    return 0.7 * child.gas * np.sqrt(stomach) + 0.5 * (1 - child.gas) * np.sqrt(colon)


def draw_markings(seed: int, patient: int, thorax: Thorax, child: Child) -> Int32:
    """Draw vessels, hila and fine texture of the lungs: int32 GRID_SHAPE, units of 1/4096 neper.

    They depend on the patient, so all images of one patient have the same vessels.
    """
    draws = Draws(seed, VESSELS, patient)
    stamps = np.zeros(GRID_SHAPE, dtype=np.int32)
    for sign in (-1, 1):
        for x, y, weight in _branches(draws, sign, thorax):
            column = np.rint((x / GRID_MM) + HALF).astype(np.int64).clip(0, GRID_SHAPE[1] - 1)
            row = np.rint((y - GRID_TOP_MM) / GRID_MM).astype(np.int64)
            np.add.at(stamps, (row.clip(0, GRID_SHAPE[0] - 1), column), weight)
    vessels = box_blur(box_blur(stamps, 1), 1)
    fine = noise(draws, GRID_SHAPE, 60) + noise(draws, GRID_SHAPE, 110)
    aerated = np.rint(thorax.lung_mm * (256 / 80)).astype(np.int32)
    hila = ellipse(-27, 56, 11, 17, 0.2) + ellipse(29, 53, 11, 16, -0.2)
    hilum = np.rint(hila * (0.13 * NEPER)).astype(np.int32)
    strength = round(256 * child.markings)
    markings: Int32 = ((((vessels + (fine >> 4)) * aerated) >> 8) * strength >> 8) + hilum
    return markings


def _branches(draws: Draws, sign: int, thorax: Thorax) -> list[tuple[Float32, Float32, Int32]]:
    """Draw the vessels of one lung, 120 samples each.

    Returns:
        Groups of n vessels: x and y, float32 (n, 120), mm; and weight, int32 (n, 120).
    """
    t = (np.arange(120, dtype=np.float32) / np.float32(120))[None, :]

    def column(low: int, high: int, count: int) -> Float32:
        return draws.integers(low * 64, high * 64, (count, 1)).astype(np.float32) / np.float32(64)

    out, count = column(18, 85, 22), 22
    x0, y0 = column(16, 27, count), column(44, 64, count)
    down, bend = column(-48, 62, count) * (thorax.base_mm / 110), column(-16, 16, count)
    x = x0 + out * t
    y = y0 + down * t + bend * t * t
    weight = np.rint((1 - 0.8 * t) * 900).astype(np.int32)
    trunk = (sign * x, y, np.broadcast_to(weight, x.shape))
    # A twig leaves each branch at three eighths of its length.
    x1, y1 = x[:, 45:46], y[:, 45:46]
    twig_x = x1 + (0.5 * out + column(-10, 10, count)) * t
    twig_y = y1 + (0.6 * down + column(-28, 28, count)) * t
    twig_weight = np.rint((1 - 0.9 * t) * 520).astype(np.int32)
    return [trunk, (sign * twig_x, twig_y, np.broadcast_to(twig_weight, twig_x.shape))]
