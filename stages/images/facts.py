"""Facts of an image's file and pixels, by which drift is noticed.

`evaluate` keeps their distribution over the images that a model was made with (reference.json);
whoever answers with that model measures the same facts of the images received. They depend on the
file and its pixels alone and have the same bits on every processor: each number is made of sums of
integers and rounded.
"""

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from stages.engine.arrays import GrayImage
from stages.engine.files import DECIMALS
from stages.images.levels import BRIGHT, DARK
from stages.images.nuisance import sharpness, texture
from stages.sources.header import Header

Facts: TypeAlias = Mapping[str, float | str | None]
"""Facts by name; None where the file, or an image that can't be decoded, does not have one."""

OF_FILE = ("width", "height", "bytes_per_pixel", "jpeg_table_mean")
"""Numbers of the file as received; width and height in pixels."""

OF_PIXELS = ("mean", "deviation", "dark_share", "bright_share", "texture", "sharpness")
"""Numbers of the prepared pixels: grey levels from 0 to 255, shares from 0 to 1."""

NUMBERS = (*OF_FILE, *OF_PIXELS)
"""The facts that are numbers. One more, "mode", is a text."""


def image_facts(header: Header, size: int, pixels: GrayImage | None) -> Facts:
    """Return every fact of an image, NUMBERS and "mode".

    Args:
        header: Of its file.
        size: Of its file, in bytes.
        pixels: As prepared for the network, uint8 (H, W); None where they can't be decoded.
    """
    table = header.jpeg_table_mean
    return {
        **file_facts(header.width, header.height, size, table, header.mode),
        **(dict.fromkeys(OF_PIXELS) if pixels is None else pixel_facts(pixels)),
    }


def file_facts(
    width: float | None, height: float | None, size: float | None, table: float | None, mode: str
) -> Facts:
    """Return OF_FILE and "mode".

    Args:
        width: In pixels as displayed; None if unknown, as with each of the following.
        height: Like `width`.
        size: Of the file, in bytes.
        table: Mean of the JPEG quantisation table; None also for a file that is no JPEG.
        mode: As in `Header`.
    """
    density = size / (width * height) if size and width and height else None
    return {
        "width": width,
        "height": height,
        "bytes_per_pixel": None if density is None else round(density, DECIMALS),
        "jpeg_table_mean": table,
        "mode": mode,
    }


def pixel_facts(pixels: GrayImage) -> dict[str, float]:
    """Return OF_PIXELS of uint8 (H, W), at least 3 x 3.

    Mean and standard deviation of the grey levels, the shares in their darkest and in their
    brightest quarter, and the two scalars of `nuisance`.
    """
    counts = np.bincount(pixels.ravel(), minlength=256)
    levels, number = np.arange(256), pixels.size
    total, squares = int(counts @ levels), int(counts @ levels**2)
    facts = {
        "mean": total / number,
        "deviation": math.sqrt(number * squares - total**2) / number,
        "dark_share": int(counts[:DARK].sum()) / number,
        "bright_share": int(counts[BRIGHT + 1 :].sum()) / number,
        "texture": texture(pixels),
        "sharpness": sharpness(pixels),
    }
    return {name: round(fact, DECIMALS) for name, fact in facts.items()}
