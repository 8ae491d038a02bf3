"""`val_tail`: the training normals whose outer frame looks most like a pneumonia image's.

A linear model sees only the frame of each image; fitted on other patients, it scores how much the
frame looks like pneumonia. The normals with the highest scores are the closest that the training
images have to test normals, whose frames lack the look of the training normals. They are held out
by group and combined with the pneumonia images of the random validation.
"""

import math
from collections import defaultdict
from collections.abc import Sequence, Set

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError
from stages.images.options import PreprocessOptions
from stages.images.prepared_images import PreparedImages
from stages.images.ridge import out_of_fold_scores, single_threaded_blas
from stages.images.role_names import TAIL, TRAIN

ROLE = TAIL
THUMBNAIL_PX, FRAME_PX = 32, 4
RIDGE = 0.01

_FRAME = np.ones((THUMBNAIL_PX, THUMBNAIL_PX), bool)
_FRAME[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX] = False


def hold_out_tail(
    prepared: PreparedImages,
    roles: Sequence[str],
    options: PreprocessOptions,
    frozen: Set[str] = frozenset(),
) -> list[str]:
    """Return `roles` with `tail_fraction` of the training normals' groups moved to val_tail.

    A group is ranked by the mean score of its images. At least one group moves, and one stays.

    Args:
        prepared: The images.
        roles: Of each of them; some may be in val_tail already.
        options: Fraction and seed.
        frozen: Groups that keep their role. The others are ranked among themselves.

    Raises:
        InputError: Nothing would be in val_tail, because all groups are frozen in other roles.
    """
    kept = ROLE in roles
    movable = {
        row.split_group
        for row, role in zip(prepared.rows, roles, strict=True)
        if role == TRAIN and row.label == 0 and row.split_group not in frozen
    }
    if not movable and kept:
        return list(roles)
    if not movable:
        raise InputError(
            f"preprocess.tail_fraction: expected 0, received {options.tail_fraction:g}: the roles "
            "of all training normals are frozen in data/roles.csv, so none can move to val_tail. "
            "To compare recipes with one, use a branch where data/roles.csv has its first line "
            "alone"
        )
    scores = _group_scores(prepared, roles, options.seed)
    order = sorted(movable, key=lambda group: (-scores[group], group))
    fewest, most = 0 if kept else 1, len(order) - (not frozen)
    count = min(max(fewest, round(options.tail_fraction * len(order))), most)
    held_out = set(order[:count])
    return [
        ROLE if role == TRAIN and row.split_group in held_out else role
        for row, role in zip(prepared.rows, roles, strict=True)
    ]


def frame(image: GrayImage) -> NDArray[np.uint8]:
    """Return the outer eighth on each side, uint8 (448,): 4 rings of a 32 x 32 thumbnail."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    thumbnail: GrayImage = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return thumbnail[_FRAME]


def _group_scores(prepared: PreparedImages, roles: Sequence[str], seed: int) -> dict[str, float]:
    """Mean out-of-fold score of the training normals of each group."""
    train = [index for index, role in enumerate(roles) if role == TRAIN]
    rows = [prepared.images[index].row for index in train]
    frames = np.stack([frame(prepared.pixels(index)) for index in train])
    labels = np.array([row.label for row in rows])
    groups = [row.split_group for row in rows]
    with single_threaded_blas():
        scores = out_of_fold_scores(frames, labels, groups, salt=f"{seed}/{ROLE}", ridge=RIDGE)
    by_group: dict[str, list[float]] = defaultdict(list)
    for row, score in zip(rows, scores, strict=True):
        if row.label == 0:
            by_group[row.split_group].append(float(score))
    return {group: math.fsum(values) / len(values) for group, values in by_group.items()}
