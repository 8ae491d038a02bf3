"""Single numbers that betray how an image was acquired, and how well they tell the classes apart.

Sums of integers divided once: the same bits everywhere, in whatever order they are added.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray


def texture(pixels: NDArray[np.uint8]) -> float:
    """mean |dx| / mean |dy| of uint8 (H, W): above 1 where the image was squeezed in width.

    An image without vertical change counts as one grey level of it in all.
    """
    across = _mean_step(pixels[:, 1:], pixels[:, :-1])
    down = _mean_step(pixels[1:], pixels[:-1])
    return across / max(down, 1 / pixels.size)


def sharpness(pixels: NDArray[np.uint8]) -> float:
    """mean |Laplacian| of uint8 (H, W), in grey levels, over all pixels but the outermost."""
    edges: NDArray[np.int16] = cv2.Laplacian(pixels, cv2.CV_16S)[1:-1, 1:-1]
    total: float = cv2.norm(edges, cv2.NORM_L1)
    return total / edges.size


def separation(values: Sequence[float], labels: Sequence[int]) -> float:
    """AUROC of `values` for label 1 against 0, ties counted half; 0.5 tells nothing."""
    chosen = np.asarray(labels) == 1
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    # Twice the mean rank of each value, so that ranks stay integers under ties.
    ranks = (2 * np.cumsum(counts) - counts + 1)[place]
    positives, negatives = int(chosen.sum()), int((~chosen).sum())
    wins = int(ranks[chosen].sum()) - positives * (positives + 1)
    return wins / (2 * positives * negatives)


def _mean_step(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    total: float = cv2.norm(one, other, cv2.NORM_L1)
    return total / one.size
