"""Kinds of normals: which of them look like pneumonia images where no lung is looked at.

A linear model sees one nuisance of each image; fitted on other patients, it scores how much the
image looks like a positive one. `val_tail` is made of the highest scores of the frame (`tail`).
Sorted by the score and cut into blocks, all normals are of some kind that others are not.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from stages.engine.arrays import Flags, GrayImage, GrayImages, Labels, Numbers
from stages.images import nuisance
from stages.images.ridge import out_of_fold_scores, single_threaded_blas, standardize
from stages.images.shift import tail

SHAPE_PX = 8
TONES = 32

Nuisance: TypeAlias = Callable[[GrayImage], Numbers]
"""From one image, uint8 (H, W), to numbers (F,)."""


def tone(image: GrayImage) -> Numbers:
    """Return how many pixels have each of 32 ranges of grey levels, int64 (32,)."""
    return np.bincount(image.ravel() // (256 // TONES), minlength=TONES)


def texture(image: GrayImage) -> Numbers:
    """Return texture and sharpness at the stored size, a half and a quarter, float64 (6,)."""
    found = []
    for halvings in range(3):
        found += [nuisance.texture(image), nuisance.sharpness(image)]
        if halvings < 2:
            height, width = image.shape
            half = (max(width // 2, 4), max(height // 2, 4))
            image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(found)


def shape(image: GrayImage) -> Numbers:
    """Return the block means of the image less their mean, int64 (64,): no detail."""
    size = (SHAPE_PX, SHAPE_PX)
    blocks = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.int64).ravel()
    centred: Numbers = blocks - round(float(blocks.mean()))
    return centred


NUISANCES: Mapping[str, Nuisance] = MappingProxyType(
    {"frame": tail.frame, "tone": tone, "texture": texture, "shape": shape}
)


def blocks_of_normals(
    pixels: GrayImages,
    labels: Labels,
    groups: Sequence[str],
    *,
    nuisance: str,
    count: int,
    seed: int,
) -> list[frozenset[str]]:
    """Divide the groups of the normals into blocks of one kind each.

    Args:
        pixels: uint8 (N, H, W), of both classes.
        labels: 0 or 1 (N,).
        groups: The split group of each image (N,); one is never divided.
        nuisance: A name of NUISANCES.
        count: Number of blocks.
        seed: Decides which groups are scored by the same linear model.

    Returns:
        The groups of each block, those whose normals look most like positives first. A group is
        ranked by the mean score of its normals; blocks have equally many groups, or one more.
    """
    features = np.stack([NUISANCES[nuisance](np.asarray(image)) for image in pixels])
    with single_threaded_blas():
        scores = out_of_fold_scores(
            features if nuisance == "frame" else standardize(features),  # as val_tail is made
            labels,
            groups,
            salt=f"{seed}/{tail.ROLE}",
            ridge=tail.RIDGE,
        )
    of_group: dict[str, list[float]] = defaultdict(list)
    normal: Flags = np.asarray(labels) == 0
    for place in np.flatnonzero(normal).tolist():
        of_group[groups[place]].append(float(scores[place]))
    means = {group: math.fsum(found) / len(found) for group, found in of_group.items()}
    order = sorted(means, key=lambda group: (-means[group], group))
    return [frozenset(part) for part in np.array_split(np.array(order, object), count)]
