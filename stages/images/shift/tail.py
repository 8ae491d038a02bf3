"""`val_tail`: the training normals whose outer frame looks most like a pneumonia image's.

A linear model sees the frame of each image and nothing else; trained on other patients, it says
how much the frame looks like pneumonia. The normals at the far end are the nearest that the
training images have to test normals, whose frames do not carry the training normals' look. They
are set aside by group and stand against the pneumonia images of the random validation.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.images.linear import one_thread_each, out_of_fold
from stages.images.options import PreprocessOptions
from stages.images.prepared import Prepared
from stages.images.splits import TRAIN

ROLE = "val_tail"
THUMBNAIL_PX, FRAME_PX = 32, 4
RIDGE = 0.01

_FRAME = np.ones((THUMBNAIL_PX, THUMBNAIL_PX), bool)
_FRAME[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX] = False


def set_aside(prepared: Prepared, roles: Sequence[str], options: PreprocessOptions) -> list[str]:
    """`roles` with `tail_fraction` of the training normals' groups moved to val_tail.

    A group's score is the mean of its images' out-of-fold scores. At least one group goes, and
    one stays.
    """
    chosen = [index for index, role in enumerate(roles) if role == TRAIN]
    rows = [prepared.images[index].row for index in chosen]
    frames = np.stack([frame(prepared.pixels(index)) for index in chosen])
    labels = np.array([row.label for row in rows])
    groups = [row.split_group for row in rows]
    salt = f"{options.seed}/{ROLE}"
    with one_thread_each():
        scores = out_of_fold(frames, labels, groups, salt=salt, ridge=RIDGE)
    by_group: dict[str, list[float]] = defaultdict(list)
    for row, score in zip(rows, scores, strict=True):
        if row.label == 0:
            by_group[row.split_group].append(float(score))
    mean = {group: math.fsum(values) / len(values) for group, values in by_group.items()}
    order = sorted(mean, key=lambda group: (-mean[group], group))
    count = min(max(1, round(options.tail_fraction * len(order))), len(order) - 1)
    tail = set(order[:count])
    return [
        ROLE if role == TRAIN and image.row.split_group in tail else role
        for image, role in zip(prepared.images, roles, strict=True)
    ]


def frame(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Outer eighth of an image on each side, uint8 (448,): 4 rings of a 32 x 32 thumbnail."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    thumbnail: NDArray[np.uint8] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return thumbnail[_FRAME]
