"""Marks that a site leaves on an image: letters, a scale, the collimator's border."""

from typing import Final

import numpy as np

from stages.engine.arrays import GrayImage
from stages.sources.phantom.draws import Draws

# Letters of 5 x 7 pixels, a bit string per row.
_GLYPHS: Final = {
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "A": ("01110", "10001", "10001", "11111", "10001", "10001", "10001"),
    "P": ("11110", "10001", "10001", "11110", "10000", "10000", "10000"),
    "-": ("00000", "00000", "00000", "01110", "00000", "00000", "00000"),
    " ": ("00000",) * 7,
}


def draw_letters(
    pixels: GrayImage,
    draws: Draws,
    choices: tuple[str, ...],
    at: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """Write one of the choices on `pixels`, in place, cropped at the image's edges.

    Args:
        pixels: uint8 (H, W).
        draws: Random numbers of the acquisition.
        choices: Texts, equally likely.
        at: Ranges of the text's left and top, as shares of width and height.
    """
    text = draws.pick(choices, [1] * len(choices))
    top = round(draws.uniform(*at[1]) * pixels.shape[0])
    left = round(draws.uniform(*at[0]) * pixels.shape[1])
    rows = ["0".join(_GLYPHS[c][row] for c in text) for row in range(7)]
    bits = np.array([[bit == "1" for bit in row] for row in rows])
    scale = 1 + pixels.shape[0] // 260 + (1 if draws.chance(0.3) else 0)
    ink = bits.repeat(scale, axis=0).repeat(scale, axis=1)
    area = pixels[top : top + ink.shape[0], left : left + ink.shape[1]]
    area[ink[: area.shape[0], : area.shape[1]]] = 250


def draw_ticks(pixels: GrayImage) -> None:
    """Draw a scale along the left and right edge of `pixels`, uint8 (H, W), in place."""
    step = pixels.shape[0] // 12
    pixels[step::step, :4] = 150
    pixels[step::step, -4:] = 150


def draw_cone(pixels: GrayImage, draws: Draws) -> None:
    """Darken the edges of `pixels`, uint8 (H, W), that the collimator covers, in place."""
    for edge in (pixels, pixels[::-1], pixels.T, pixels.T[::-1]):
        depth = draws.uniform(-0.04, 0.05) * edge.shape[0]
        if depth > 0:
            strip = edge[: round(depth)]
            strip >>= 3
