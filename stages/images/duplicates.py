"""The same image twice: equal files, and images that are nearly equal after any re-saving.

Two images are compared by their 16 x 16 thumbnails, each shifted and scaled to mean 0 and
standard deviation 1, so that brightness and contrast don't count. Their distance is the root
mean square of the difference. In the 5,216 training images of Kermany et al. it is 0 for the 28
pairs that are one image, and at least 0.16 for any other two. Saving as coarse JPEG, half the
resolution or 30 more grey levels make at most 0.06; cropping a fiftieth off each side makes
0.15, and is not found.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.images.prepared import Prepared

SIDE = 16
NEAR = 0.08
# Candidates are looked for among the slowest waves of a thumbnail, in which two equal images agree
# whatever else they do; each image's nearest few are then compared in full.
_WAVES = ((0, 1), (1, 0), (0, 2), (1, 1), (2, 0), (0, 3), (1, 2), (2, 1), (3, 0))
_NEIGHBOURS = 8
_CHUNK = 4096
_FEW = 512
_REACH = NEAR * SIDE * (1 + 1e-6)  # a rounding error must not lose a pair

Name = TypeVar("Name", int, str)
Number = TypeVar("Number", np.uint8, np.intp)


@dataclass(frozen=True)
class Pair:
    """Images `first` < `second` by their number; `exact` where their files are equal; `distance`
    of their thumbnails, 4 decimals."""

    first: int
    second: int
    exact: bool
    distance: float


def find(prepared: Prepared) -> list[Pair]:
    """The pairs of images that are one image, in the order of the images."""
    thumbnails = np.stack([thumbnail(prepared.pixels(n)) for n in range(len(prepared.images))])
    return among(thumbnails, [image.row.sha256 for image in prepared.images])


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Block means of an image (H, W) as uint8 (256,)."""
    shrunk: NDArray[np.uint8] = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return shrunk.ravel()


def among(thumbnails: NDArray[np.uint8], files: Sequence[str]) -> list[Pair]:
    """The pairs among N images: thumbnails uint8 (N, 256), and a name for each file's bytes.

    Images with equal thumbnails are compared with the first of them only, and of near ones each
    with its 8 nearest: so there are at most 9 N pairs however often an image comes, and time grows
    little faster than N.
    """
    distinct, place = np.unique(thumbnails, axis=0, return_inverse=True)
    first = np.full(len(distinct), len(thumbnails))
    np.minimum.at(first, place, np.arange(len(thumbnails)))
    near = {
        (int(min(one, other)), int(max(one, other))) for one, other in first[_candidates(distinct)]
    }
    same = {
        (int(first[at]), image) for image, at in enumerate(place.tolist()) if first[at] != image
    }
    found = sorted(near | same)
    distances = _distances(thumbnails, np.array(found, np.intp).reshape(-1, 2))
    return [
        Pair(one, other, files[one] == files[other], round(distance, 4))
        for (one, other), distance in zip(found, distances.tolist(), strict=True)
        if distance <= NEAR
    ]


def merged(groups: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """The group of each image, where groups that share an image are one, named after the first."""
    head = _joined((groups[pair.first], groups[pair.second]) for pair in pairs)
    return [head.get(group, group) for group in groups]


def sets(pairs: Sequence[Pair]) -> list[tuple[int, ...]]:
    """The images that are one image, as sets of two or more numbers, in order."""
    found: dict[int, list[int]] = defaultdict(list)
    for image, head in sorted(_joined((pair.first, pair.second) for pair in pairs).items()):
        found[head].append(image)
    return [tuple(images) for images in found.values()]


def _joined(links: Iterable[tuple[Name, Name]]) -> dict[Name, Name]:
    """For everything that is linked to something: the first of all that hang together with it."""
    chief: dict[Name, Name] = {}

    def head(name: Name) -> Name:
        while chief.setdefault(name, name) != name:
            chief[name] = chief[chief[name]]
            name = chief[name]
        return name

    for link in links:
        one, other = sorted(map(head, link))
        chief[other] = one
    return {name: head(name) for name in list(chief)}


def _candidates(thumbnails: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Pairs (M, 2) of rows that may be near, none that is missed but by its 8 nearer ones."""
    waves = np.concatenate([np.empty((0, len(_WAVES))), *map(_waves, _chunks(thumbnails))])
    if len(waves) < 2:
        return np.empty((0, 2), np.intp)
    nearest = (_nearest_of_few if len(waves) <= _FEW else _nearest_of_many)(waves)
    rows = np.repeat(np.arange(len(waves)), nearest.shape[1])
    pairs = np.stack([rows, nearest.ravel()], axis=1)
    kept: NDArray[np.intp] = pairs[(pairs[:, 1] < len(waves)) & (pairs[:, 0] != pairs[:, 1])]
    return kept


def _nearest_of_many(waves: NDArray[np.float64]) -> NDArray[np.intp]:
    """For each of N rows itself and the nearest 8, N in place of any that is out of reach."""
    from scipy.spatial import KDTree

    _, nearest = KDTree(waves).query(waves, _NEIGHBOURS + 1, distance_upper_bound=_REACH)
    return np.asarray(nearest, np.intp)


def _nearest_of_few(waves: NDArray[np.float64]) -> NDArray[np.intp]:
    """The same by comparing all with all: sooner done than SciPy is imported."""
    apart = np.zeros((len(waves), len(waves)))
    for wave in waves.T:
        apart += np.subtract.outer(wave, wave) ** 2
    nearest = np.argsort(apart, axis=1, kind="stable")[:, : _NEIGHBOURS + 1]
    within = np.take_along_axis(apart, nearest, axis=1) < _REACH**2
    return np.where(within, nearest, len(waves))


def _waves(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The slowest cosine waves of standardised thumbnails: a turn of their space, so that no two
    are further apart here than in full."""
    values = thumbnails.astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(values.std(axis=1, keepdims=True), 1e-9)
    return values @ _BASIS.T


def _basis() -> NDArray[np.float64]:
    place = np.arange(SIDE)
    wave = np.cos(np.pi * (2 * place + 1) * place[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    wave[0] /= np.sqrt(2)
    return np.stack([np.outer(wave[down], wave[across]).ravel() for down, across in _WAVES])


_BASIS = _basis()


def _distances(thumbnails: NDArray[np.uint8], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """Of each pair (M, 2), from integer sums: the same on any machine."""
    parts = [np.empty(0)]
    for chunk in _chunks(pairs):
        one, other = (thumbnails[chunk[:, side]].astype(np.int64) for side in (0, 1))
        size = SIDE**2
        product = size * (one * other).sum(axis=1) - one.sum(axis=1) * other.sum(axis=1)
        spread = [size * (image**2).sum(axis=1) - image.sum(axis=1) ** 2 for image in (one, other)]
        # The square of an even image's spread is 0: it is like itself alone.
        scale = np.sqrt(spread[0].astype(np.float64) * spread[1])
        likeness = np.divide(product, scale, out=np.zeros(len(chunk)), where=scale > 0)
        likeness[(one == other).all(axis=1)] = 1.0
        parts.append(np.sqrt(np.maximum(2 - 2 * likeness, 0.0)))
    return np.concatenate(parts)


def _chunks(rows: NDArray[Number]) -> Iterator[NDArray[Number]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]
