"""Duplicates are found by content, and their groups are joined."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.images.duplicates import (
    MAX_DISTANCE,
    Pair,
    duplicate_sets,
    find_pairs,
    merge_groups,
    thumbnail,
)
from tests.sample_images import picture


def stack(*images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([thumbnail(image) for image in images])


def coarse_jpeg(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


A, B, C = (picture(name, 64, 64) for name in "abc")
CHANGED = {
    "coarse JPEG": coarse_jpeg(A),
    "less contrast": (A // 2 + 60).astype(np.uint8),
    "half the resolution": cv2.resize(A, (32, 32), interpolation=cv2.INTER_AREA),
}


def test_equal_files_differ_from_equal_pixels() -> None:
    found = find_pairs(stack(A, B, A, C, A), ["x", "y", "x", "z", "other"])
    assert found == [Pair(0, 2, True, 0.0), Pair(0, 4, False, 0.0)]


@pytest.mark.parametrize("change", CHANGED)
def test_an_image_saved_again_is_near(change: str) -> None:
    (found,) = find_pairs(stack(C, A, B, CHANGED[change]), list("caby"))
    assert (found.first, found.second, found.equal_files) == (1, 3, False)
    assert 0 < found.distance <= MAX_DISTANCE


def test_other_images_are_not_near() -> None:
    assert find_pairs(stack(A, B, C), list("abc")) == []
    assert find_pairs(stack(A), ["a"]) == []
    even = np.full((64, 64), 9, np.uint8)  # has no variance: it is like an equal one only
    assert find_pairs(stack(even, A, even + 1, even), list("abcd")) == [Pair(0, 3, False, 0.0)]


@pytest.mark.parametrize("count", [120, 540])  # one for each way of searching
def test_all_pairs_are_found_that_a_full_comparison_finds(count: int) -> None:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (count // 3, 256)).astype(np.float64)
    noisy = images.repeat(3, axis=0) + draws.normal(0, 3, (count, 256))
    thumbnails = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    found = find_pairs(thumbnails, [str(n) for n in range(count)])
    likeness = np.corrcoef(thumbnails)
    near = np.sqrt(np.maximum(2 - 2 * likeness, 0)) <= MAX_DISTANCE
    assert [(pair.first, pair.second) for pair in found] == [
        (one, other) for one, other in np.argwhere(near).tolist() if one < other
    ]
    assert len(found) == count


def test_an_image_that_occurs_a_thousand_times_gives_one_pair_for_each() -> None:
    found = find_pairs(np.repeat(stack(A), 1000, axis=0), ["a"] * 1000)
    assert len(found) == 999
    assert duplicate_sets(found) == [tuple(range(1000))]


def test_groups_that_share_an_image_become_one() -> None:
    pairs = [Pair(0, 3, True, 0.0), Pair(1, 2, False, 0.01), Pair(3, 4, True, 0.0)]
    groups = ["p9", "p1", "p1", "p3", "p2", "p5"]
    assert merge_groups(groups, pairs) == ["p2", "p1", "p1", "p2", "p2", "p5"]
    assert duplicate_sets(pairs) == [(0, 3, 4), (1, 2)]
    assert merge_groups(groups, []) == groups
