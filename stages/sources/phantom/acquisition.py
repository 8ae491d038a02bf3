"""Image a child at a site: geometry, blur, noise, tone curve, marks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import GrayImage
from stages.sources.phantom.anatomy import Child, Pose
from stages.sources.phantom.draws import ACQUISITION, Draws, Int32
from stages.sources.phantom.fields import (
    GRID_MM,
    GRID_SHAPE,
    GRID_TOP_MM,
    HALF,
    NEPER,
    box_blur,
)
from stages.sources.phantom.marks import draw_cone, draw_letters, draw_ticks
from stages.sources.phantom.sites import SITES, Site

# Range of the tone curve, in nepers; more attenuation is white.
_MAX_NEPERS = 6


@dataclass(frozen=True)
class Radiograph:
    """One image as its site takes it.

    Attributes:
        pixels: uint8 (H, W), 0 to 255, dense is bright.
        mask: uint8 (H, W), 0 or 255: the lesion.
        colour: Whether the site saves this grey image as RGB.
    """

    pixels: GrayImage
    mask: GrayImage
    colour: bool


def take(
    attenuation: Int32,
    mask: GrayImage | None,
    child: Child,
    pose: Pose,
    *,
    site: str,
    seed: int,
    patient: int,
    image: int,
) -> Radiograph:
    """Take one image of a child.

    The acquisition is drawn from (seed, patient, image, site), so that the same child can be
    imaged at each site.

    Args:
        attenuation: int32 GRID_SHAPE, units of 1/4096 neper, below 2^15.
        mask: uint8 GRID_SHAPE, 0 or 255; None: no lesion.
        child: Whose size sets the scale.
        pose: Whose tilt turns the image.
        site: A, B or C.
        seed: Of the cohort.
        patient: Index in the cohort.
        image: Index among the patient's images.
    """
    draws = Draws(seed, ACQUISITION, patient, image, sorted(SITES).index(site))
    traits = SITES[site]
    height = round(draws.bell(*traits.height_px))
    width = round(height * draws.bell(*traits.aspect))
    lattice = _Lattice(draws, traits, child, pose, height, width)
    depth = lattice.sample(attenuation)
    soft = round(256 * draws.uniform(*traits.soft))
    depth = depth + (((box_blur(depth, 1) - depth) * soft) >> 8)
    pixels = _expose(depth, draws, traits)
    if draws.chance(traits.cone):
        draw_cone(pixels, draws)
    if draws.chance(traits.ticks):
        draw_ticks(pixels)
    draw_letters(pixels, draws, traits.letters, traits.letter_at)
    colour = draws.chance(traits.colour)
    if mask is None:
        return Radiograph(pixels, np.zeros_like(pixels), colour)
    inside = lattice.sample(mask.astype(np.int32)) >= 128
    return Radiograph(pixels, np.where(inside, 255, 0).astype(np.uint8), colour)


class _Lattice:
    """Position of each pixel in the body frame, in 1/256 of the frame's step."""

    def __init__(
        self, draws: Draws, site: Site, child: Child, pose: Pose, height: int, width: int
    ) -> None:
        field_mm = draws.bell(*site.field_mm) / child.size
        step = field_mm / height / GRID_MM
        middle_x = HALF - 0.5 + draws.bell(0, 4.0) / GRID_MM
        middle_y = (draws.uniform(*site.centre_mm) - GRID_TOP_MM) / GRID_MM
        # Rotation without sin and cos: t is the tangent of half the angle.
        t = pose.tilt
        cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        down = np.arange(height, dtype=np.float64) - (height - 1) / 2
        across = np.arange(width, dtype=np.float64) - (width - 1) / 2
        rows = _fixed(down * (cos * step) + middle_y)[:, None] + _fixed(across * (sin * step))
        columns = _fixed(down * (-sin * step))[:, None] + _fixed(across * (cos * step) + middle_x)
        rows = rows.clip(0, (GRID_SHAPE[0] - 1) * 256 - 1)
        columns = columns.clip(0, (GRID_SHAPE[1] - 1) * 256 - 1)
        self.at = ((rows >> 8) * GRID_SHAPE[1] + (columns >> 8)).astype(np.intp)
        self.down, self.across = rows & 255, columns & 255

    def sample(self, grid: Int32) -> Int32:
        """Interpolate int32 GRID_SHAPE, 0 to 2^15, linearly to int32 (height, width)."""
        # The four neighbours are shifted views; `mode` is for speed, no index is out of range.
        corners = [grid.ravel()[s:] for s in (0, 1, GRID_SHAPE[1], GRID_SHAPE[1] + 1)]
        a, b, c, d = (corner.take(self.at, mode="clip") for corner in corners)
        top = a + (((b - a) * self.across) >> 8)
        low = c + (((d - c) * self.across) >> 8)
        sampled: Int32 = top + (((low - top) * self.down) >> 8)
        return sampled


def _fixed(x: npt.NDArray[np.float64]) -> Int32:
    return np.rint(x * 256).astype(np.int32)


def _expose(depth: Int32, draws: Draws, site: Site) -> GrayImage:
    """Return uint8 (H, W) from attenuation int32 (H, W): photon noise, then the tone curve."""
    nepers = np.arange(_MAX_NEPERS * 1024, dtype=np.float64) / 1024
    # Fewer photons have a noisier logarithm: exp(depth / 2), approximated by (1 + depth / 8)^4.
    root = 1 + nepers / 8
    grain = draws.uniform(*site.grain)
    amplitude = np.rint(grain * 9.0 * root * root * root * root).astype(np.int32)
    index = (depth >> 2).astype(np.intp)
    noisy = depth + (
        (amplitude.take(index, mode="clip") * draws.grain((depth.shape[0], depth.shape[1]))) >> 7
    )
    z = (nepers - draws.uniform(*site.middle)) / draws.uniform(*site.window)
    share = 0.5 + 0.5 * z / np.sqrt(1 + z * z)
    black, white = draws.uniform(*site.black), draws.uniform(*site.white)
    tone = np.rint(black + (white - black) * share).clip(0, 255).astype(np.uint8)
    grey: GrayImage = tone.take((noisy >> 2).astype(np.intp), mode="clip")
    return grey


assert NEPER == 4 * 1024, "the tone curve is indexed by quarter units of attenuation"
