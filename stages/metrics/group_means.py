"""Means of a number over groups of images, with patients resampled.

Two invented patients are added to each group before patients are drawn: without them, few patients
that are all alike would look like certainty, and all bounds would be a little too narrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats, Labels
from stages.metrics.intervals import resample
from stages.metrics.ratio import ratio


@dataclass(frozen=True)
class Group:
    """Some of N images: the class that its invented patients are drawn with, and bool (N,)."""

    label: int
    member: Flags


@dataclass(frozen=True)
class DrawnMean:
    """The mean over a group as it is, and in each draw (B,), which has the invented patients."""

    value: float
    drawn: Floats


def drawn_means(
    number: Floats,
    groups: Mapping[str, Group],
    patient: NDArray[np.generic],
    label: Labels,
    *,
    invented: tuple[float, float],
    seed: int,
    draws: int,
) -> dict[str, DrawnMean | None]:
    """Compute the mean over each group; a draw takes a patient's images in all groups together.

    Args:
        number: Of each image (N,).
        groups: By name.
        patient: The patient of each image (N,), of any type that sorts.
        label: 0 or 1 (N,).
        invented: The number of every image of the two invented patients, who have the group's mean
            number of images each.
        seed: Of the draws.
        draws: How many.

    Returns:
        By the group's name; None for a group without images.
    """
    index = np.unique(patient, return_inverse=True)[1]
    added = index.max(initial=-1) + 1 + np.arange(2 * len(groups)).reshape(-1, 2)
    added_labels = np.repeat([group.label for group in groups.values()], 2)
    times = resample(
        np.concatenate([index, added.ravel()]),
        np.concatenate([label, added_labels]),
        seed=seed,
        draws=draws,
        confidence=0.5,  # of intervals that are not asked for
    ).times.astype(np.float64)
    found: dict[str, DrawnMean | None] = {}
    for (name, group), pair in zip(groups.items(), added, strict=True):
        member = group.member
        images = np.bincount(index[member], minlength=times.shape[1]).astype(np.float64)
        total = np.bincount(index[member], number[member], times.shape[1])
        if not images.any():
            found[name] = None
            continue
        value = float(total.sum() / images.sum())
        images[pair] = images.sum() / np.count_nonzero(images)
        total[pair] = images[pair] * invented
        found[name] = DrawnMean(value, ratio(times @ total, times @ images))
    return found
