"""The sites where phantoms are taken: what a site does to an image, whoever is imaged.

A and B differ like the normal and the pneumonia images of the real training set: width / height
(1.23 and 1.5), height in pixels (tall and low), JPEG tables (fine with an ICC profile, coarse
without), background (black and grey), markers and contrast. C is between them and encoded like B,
as the normals of the real test set are.
"""

from dataclasses import dataclass
from typing import Final

Range = tuple[float, float]


@dataclass(frozen=True)
class Site:
    """How a site acquires images. A `Range` is (low, high) of a uniform draw unless noted.

    Attributes:
        aspect: Width / height; mean and standard deviation.
        height_px: Height in pixels; mean and standard deviation.
        field_mm: Height on a child of medium size; mean and standard deviation.
        centre_mm: Height of the image's centre, below the apices of the lungs.
        window: Nepers from the middle of the tone curve to its shoulder.
        middle: Nepers at mid-grey.
        black: Grey level without attenuation; below 0 is clipped.
        white: Grey level that large attenuation tends to; above 255 is clipped.
        soft: Blur, 0 (none) to 1 (3 x 3 mean).
        grain: Relative noise.
        jpeg_scale: Percent of the JPEG standard's example table.
        icc: Whether an ICC profile is embedded.
        colour: Share of images saved as RGB.
        letters: Texts of the marker, equally likely.
        letter_at: Left and top of the marker, as shares of width and height.
        ticks: Share of images with a scale along the edges.
        cone: Share of images with a collimator's border.
    """

    aspect: Range
    height_px: Range
    field_mm: Range
    centre_mm: Range
    window: Range
    middle: Range
    black: Range
    white: Range
    soft: Range
    grain: Range
    jpeg_scale: int
    icc: bool
    colour: float
    letters: tuple[str, ...]
    letter_at: tuple[Range, Range]
    ticks: float
    cone: float


SITES: Final = {
    "A": Site(
        aspect=(1.23, 0.12),
        height_px=(432, 32),
        field_mm=(185, 12),
        centre_mm=(48, 58),
        window=(0.88, 1.24),
        middle=(1.65, 1.95),
        black=(-30, 2),
        white=(234, 262),
        soft=(0.0, 0.5),
        grain=(0.7, 1.3),
        jpeg_scale=9,
        icc=True,
        colour=0.0,
        letters=("R",),
        letter_at=((0.02, 0.10), (0.08, 0.45)),
        ticks=0.0,
        cone=0.25,
    ),
    "B": Site(
        aspect=(1.50, 0.18),
        height_px=(300, 32),
        field_mm=(165, 12),
        centre_mm=(51, 61),
        window=(0.95, 1.32),
        middle=(1.60, 1.92),
        black=(-20, 20),
        white=(224, 252),
        soft=(0.2, 0.9),
        grain=(0.9, 1.7),
        jpeg_scale=50,
        icc=False,
        colour=0.05,
        letters=("R", "R", "R", "A-P"),
        letter_at=((0.02, 0.10), (0.01, 0.30)),
        ticks=0.1,
        cone=0.30,
    ),
    "C": Site(
        aspect=(1.36, 0.15),
        height_px=(350, 32),
        field_mm=(175, 12),
        centre_mm=(50, 60),
        window=(0.92, 1.28),
        middle=(1.60, 1.92),
        black=(-24, 12),
        white=(228, 256),
        soft=(0.1, 0.7),
        grain=(0.8, 1.5),
        jpeg_scale=50,
        icc=False,
        colour=0.0,
        letters=("L",),
        letter_at=((0.86, 0.94), (0.02, 0.10)),
        ticks=0.0,
        cone=0.28,
    ),
}
