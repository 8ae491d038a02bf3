"""The pointing game: does a saliency map peak where the lesion is?

Zhang J et al., *Top-Down Neural Attention by Excitation Backprop*, IJCV 126:1084-1102, 2018: a map
hits where its maximum lies within a tolerance of the object. Theirs is 15 pixels, on pictures of
about 500; here it is the same share of an image's side.
"""

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats
from stages.metrics.intervals import resample
from stages.metrics.options import FigureOptions
from stages.metrics.pages.text import format_figure, markdown_table
from stages.metrics.report import plain
from stages.metrics.scores import ratio

TOLERANCE_SHARE = 0.03
_PLAYED = ("hit", "chance", "elsewhere")


def tolerated(masks: Flags, tolerance_px: float) -> Flags:
    """Each mask, bool (N, H, W), grown by all pixels whose distance to it is at most
    `tolerance_px`."""
    reach = [
        cv2.distanceTransform(np.where(mask, 0, 1).astype(np.uint8), cv2.DIST_L2, 5)
        for mask in masks
    ]
    # Without a lesion pixel there is no distance: nothing is near.
    return np.stack(reach) <= np.where(masks.any(axis=(1, 2)), tolerance_px, -1)[:, None, None]


def game(maps: NDArray[np.float32], masks: Flags) -> pd.DataFrame:
    """One row per image, N of them, with the columns

    hit: whether the map's maximum is on the lesion or within the tolerance (bool);
    chance: share of the image's area where a maximum would have hit, 0 to 1;
    elsewhere: share of the images' maxima, this image's among them, that would have hit here. A
        network that points at the same place on every image has as many hits as this says.

    maps: float32 (N, H, W); masks: bool (N, H, W), of the lesions. Of equal maxima the first
    counts, row by row. Raises ValueError where shapes differ, or an image has no lesion.
    """
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"expected maps like masks (N, H, W), got {maps.shape} and {masks.shape}")
    if not masks.any(axis=(1, 2)).all():
        raise ValueError("expected a lesion in every mask: the game is about images with one")
    near = tolerated(masks, TOLERANCE_SHARE * max(maps.shape[1:]))
    peak = maps.reshape(len(maps), -1).argmax(axis=1)
    flat = near.reshape(len(near), -1)
    return pd.DataFrame({
        "hit": flat[np.arange(len(flat)), peak],
        "chance": flat.mean(axis=1),
        "elsewhere": flat[:, peak].mean(axis=1),
    })  # fmt: skip


def pointing_table(
    records: pd.DataFrame, played: pd.DataFrame, groups: dict[str, Flags], options: FigureOptions
) -> str:
    """Hit rates by group as Markdown, each with its interval and what chance would give.

    records: the images (N); played: what `game` says of them; groups: members, bool (N,), by name.
    """
    label = np.ones(len(records), np.int64)
    draws = resample(
        records["patient"].to_numpy(), label,
        seed=options.seed, draws=options.draws, confidence=options.confidence,
    )  # fmt: skip
    lines = []
    for name, member in groups.items():

        def shares(weight: Floats, member: Flags = member) -> dict[str, Floats]:
            of_group = weight * member
            return {
                column: ratio(of_group @ played[column].to_numpy(np.float64), of_group.sum(axis=1))
                for column in _PLAYED
            }

        patients = records.loc[member, "patient"].nunique()
        figures = plain(draws.figures(shares, {"hit": patients}))
        lines.append(
            [name, str(int(member.sum())), *(format_figure(figures.get(key)) for key in _PLAYED)]
        )
    return markdown_table(
        ["Images", "Number", "Hit rate", "By area alone", "By any image's maximum"], lines
    )
