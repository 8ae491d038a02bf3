"""Nuisance scalars: numbers that depend on how an image was acquired, not on disease.

All are sums of integers divided once, so they have the same bits in any order of addition.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import GrayImage


def texture(image: GrayImage) -> float:
    """Return mean |dx| / mean |dy| of uint8 (H, W): above 1 where an image was squeezed in width.

    The mean |dy| is taken as at least one grey level over all pixels, so an image without vertical
    change has a texture too.
    """
    horizontal = _mean_difference(image[:, 1:], image[:, :-1])
    vertical = _mean_difference(image[1:], image[:-1])
    return horizontal / max(vertical, 1 / image.size)


def sharpness(image: GrayImage) -> float:
    """Return the mean |Laplacian| of uint8 (H, W), in grey levels, without the outermost pixels."""
    edges: NDArray[np.int16] = cv2.Laplacian(image, cv2.CV_16S)[1:-1, 1:-1]
    total: float = cv2.norm(edges, cv2.NORM_L1)
    return total / edges.size


def auroc(values: Sequence[float], labels: Sequence[int]) -> float:
    """Return the AUROC of `values` for label 1 against 0, with ties counted half.

    The Mann-Whitney statistic from ranks. `metrics` has the weighted form for bootstraps, and
    stands above this package.
    """
    positive = np.asarray(labels) == 1
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    # Twice the mean rank of each value, so that ranks stay integers under ties.
    ranks = (2 * np.cumsum(counts) - counts + 1)[place]
    positives, negatives = int(positive.sum()), int((~positive).sum())
    wins = int(ranks[positive].sum()) - positives * (positives + 1)
    return wins / (2 * positives * negatives)


def _mean_difference(first: GrayImage, second: GrayImage) -> float:
    total: float = cv2.norm(first, second, cv2.NORM_L1)
    return total / first.size
