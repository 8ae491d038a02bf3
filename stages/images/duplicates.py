"""Find images that occur twice: as equal files, or nearly equal after saving again.

Two images are compared by their 16 x 16 thumbnails, each shifted and scaled to mean 0 and
standard deviation 1, so that brightness and contrast don't count. Their distance is the root mean
square of the difference. In the 5,216 training images of Kermany et al. it is 0 for the 28 pairs
of the same image and at least 0.16 for any other two. Saving as coarse JPEG, half the resolution
or 30 more grey levels give at most 0.06; cropping a fiftieth off each side gives 0.15 and is not
found.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats, GrayImage
from stages.engine.components import smallest_in_component

SIDE = 16
MAX_DISTANCE = 0.08
_CHUNK = 4096

Number = TypeVar("Number", np.uint8, np.intp)


@dataclass(frozen=True)
class Pair:
    """Two images that are the same, by their numbers.

    Attributes:
        first: The smaller number.
        second: The larger number.
        equal_files: Whether the files have the same bytes.
        distance: Between the thumbnails, rounded to 4 decimals.
    """

    first: int
    second: int
    equal_files: bool
    distance: float


def thumbnail(image: GrayImage) -> NDArray[np.uint8]:
    """Return the block means of an image (H, W) as uint8 (256,)."""
    blocks: GrayImage = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return blocks.ravel()


def find_pairs(thumbnails: NDArray[np.uint8], digests: Sequence[str]) -> list[Pair]:
    """Return the pairs of duplicates among N images, sorted.

    Images with equal thumbnails are compared only with the first of them, and each distinct
    thumbnail with its 8 nearest. So there are at most 9 N pairs however often an image occurs, and
    the time grows little faster than N.

    Args:
        thumbnails: uint8 (N, 256).
        digests: Of each image's file.
    """
    distinct, place = np.unique(thumbnails, axis=0, return_inverse=True)
    first = np.full(len(distinct), len(thumbnails))
    np.minimum.at(first, place, np.arange(len(thumbnails)))
    near = {
        (int(min(one, other)), int(max(one, other))) for one, other in first[_near_pairs(distinct)]
    }
    equal = {
        (int(first[at]), image) for image, at in enumerate(place.tolist()) if first[at] != image
    }
    candidates = sorted(near | equal)
    distances = _distances(thumbnails, np.array(candidates, np.intp).reshape(-1, 2))
    return [
        Pair(one, other, digests[one] == digests[other], round(distance, 4))
        for (one, other), distance in zip(candidates, distances.tolist(), strict=True)
        if distance <= MAX_DISTANCE
    ]


def merge_groups(groups: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """Return each image's group after joining groups that share an image, under the first name."""
    smallest = smallest_in_component((groups[pair.first], groups[pair.second]) for pair in pairs)
    return [smallest.get(group, group) for group in groups]


def duplicate_sets(pairs: Sequence[Pair]) -> list[tuple[int, ...]]:
    """Return the sets of two or more images that are the same image, sorted."""
    smallest = smallest_in_component((pair.first, pair.second) for pair in pairs)
    sets: dict[int, list[int]] = defaultdict(list)
    for image, representative in sorted(smallest.items()):
        sets[representative].append(image)
    return [tuple(images) for images in sets.values()]


# Candidates are searched among a few low-frequency cosine coefficients of each thumbnail: an
# orthogonal projection, so no two thumbnails are further apart there than they are in full.
_FREQUENCIES = ((0, 1), (1, 0), (0, 2), (1, 1), (2, 0), (0, 3), (1, 2), (2, 1), (3, 0))
_NEIGHBOURS = 8
_FEW = 512
_RADIUS = MAX_DISTANCE * SIDE * (1 + 1e-6)  # a rounding error must not lose a pair


def _near_pairs(thumbnails: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return candidate pairs of rows (M, 2): each row with its nearest 8 within `_RADIUS`."""
    chunks = [_coefficients(chunk) for chunk in _chunks(thumbnails)]
    points = np.concatenate([np.empty((0, len(_FREQUENCIES))), *chunks])
    if len(points) < 2:
        return np.empty((0, 2), np.intp)
    search = _nearest_brute_force if len(points) <= _FEW else _nearest_by_tree
    nearest = search(points)
    rows = np.repeat(np.arange(len(points)), nearest.shape[1])
    pairs = np.stack([rows, nearest.ravel()], axis=1)
    kept: NDArray[np.intp] = pairs[(pairs[:, 1] < len(points)) & (pairs[:, 0] != pairs[:, 1])]
    return kept


def _nearest_by_tree(points: Floats) -> NDArray[np.intp]:
    """Return for each of N points itself and its nearest 8; N stands for one out of reach."""
    from scipy.spatial import KDTree

    _, nearest = KDTree(points).query(points, _NEIGHBOURS + 1, distance_upper_bound=_RADIUS)
    return np.asarray(nearest, np.intp)


def _nearest_brute_force(points: Floats) -> NDArray[np.intp]:
    """Do the same by comparing all with all, which takes less time than importing SciPy."""
    squared = np.zeros((len(points), len(points)))
    for coordinate in points.T:
        squared += np.subtract.outer(coordinate, coordinate) ** 2
    nearest = np.argsort(squared, axis=1, kind="stable")[:, : _NEIGHBOURS + 1]
    within = np.take_along_axis(squared, nearest, axis=1) < _RADIUS**2
    return np.where(within, nearest, len(points))


def _coefficients(thumbnails: NDArray[np.uint8]) -> Floats:
    """Return the low-frequency cosine coefficients of standardised thumbnails, (N, 9)."""
    values = thumbnails.astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(values.std(axis=1, keepdims=True), 1e-9)
    return np.round(values @ _BASIS.T, 9)  # the last bits must not choose among equally near ones


def _cosine_basis() -> Floats:
    """Return the 2-D DCT-II vectors of `_FREQUENCIES`, orthonormal, (9, 256)."""
    place = np.arange(SIDE)
    wave = np.cos(np.pi * (2 * place + 1) * place[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    wave[0] /= np.sqrt(2)
    return np.stack([np.outer(wave[down], wave[across]).ravel() for down, across in _FREQUENCIES])


_BASIS = _cosine_basis()


def _distances(thumbnails: NDArray[np.uint8], pairs: NDArray[np.intp]) -> Floats:
    """Return the distance of each pair (M, 2), from integer sums: the same on any machine.

    With correlation r, the root mean square difference of standardised values is sqrt(2 - 2 r).
    """
    parts = [np.empty(0)]
    for chunk in _chunks(pairs):
        one, other = (thumbnails[chunk[:, side]].astype(np.int64) for side in (0, 1))
        size = SIDE**2
        covariance = size * (one * other).sum(axis=1) - one.sum(axis=1) * other.sum(axis=1)
        variances = [size * (each**2).sum(axis=1) - each.sum(axis=1) ** 2 for each in (one, other)]
        scale = np.sqrt(variances[0].astype(np.float64) * variances[1])
        # An even image has no variance: it is like an equal one only.
        correlation = np.divide(covariance, scale, out=np.zeros(len(chunk)), where=scale > 0)
        correlation[(one == other).all(axis=1)] = 1.0
        parts.append(np.sqrt(np.maximum(2 - 2 * correlation, 0.0)))
    return np.concatenate(parts)


def _chunks(rows: NDArray[Number]) -> Iterator[NDArray[Number]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]
