import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.images.duplicates import NEAR, Pair, among, merged, sets, thumbnail
from tests.sample_images import picture


def stack(*images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([thumbnail(image) for image in images])


def coarse(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


A, B, C = (picture(name, 64, 64) for name in "abc")
CHANGED = {
    "coarse JPEG": coarse(A),
    "less contrast": (A // 2 + 60).astype(np.uint8),
    "half the resolution": cv2.resize(A, (32, 32), interpolation=cv2.INTER_AREA),
}


def test_equal_files_and_equal_pixels_are_told_apart() -> None:
    found = among(stack(A, B, A, C, A), ["x", "y", "x", "z", "other"])
    assert found == [Pair(0, 2, True, 0.0), Pair(0, 4, False, 0.0)]


@pytest.mark.parametrize("how", CHANGED)
def test_an_image_saved_anew_is_near(how: str) -> None:
    (found,) = among(stack(C, A, B, CHANGED[how]), list("caby"))
    assert (found.first, found.second, found.exact) == (1, 3, False)
    assert 0 < found.distance <= NEAR


def test_other_images_are_not() -> None:
    assert among(stack(A, B, C), list("abc")) == []
    assert among(stack(A), ["a"]) == []
    even = np.full((64, 64), 9, np.uint8)  # no thumbnail to compare, but for an equal one
    assert among(stack(even, A, even + 1, even), list("abcd")) == [Pair(0, 3, False, 0.0)]


@pytest.mark.parametrize("count", [120, 540])  # one on each side of where the search changes
def test_all_pairs_are_found_as_by_comparing_each_with_each(count: int) -> None:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (count // 3, 256)).astype(np.float64)
    noisy = images.repeat(3, axis=0) + draws.normal(0, 3, (count, 256))
    thumbnails = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    found = among(thumbnails, [str(n) for n in range(count)])
    likeness = np.corrcoef(thumbnails)
    near = np.sqrt(np.maximum(2 - 2 * likeness, 0)) <= NEAR
    assert [(pair.first, pair.second) for pair in found] == [
        (one, other) for one, other in np.argwhere(near).tolist() if one < other
    ]
    assert len(found) == count


def test_one_image_a_thousand_times_makes_no_million_pairs() -> None:
    found = among(np.repeat(stack(A), 1000, axis=0), ["a"] * 1000)
    assert len(found) == 999
    assert sets(found) == [tuple(range(1000))]


def test_groups_that_share_an_image_become_one() -> None:
    pairs = [Pair(0, 3, True, 0.0), Pair(1, 2, False, 0.01), Pair(3, 4, True, 0.0)]
    groups = ["p9", "p1", "p1", "p3", "p2", "p5"]
    assert merged(groups, pairs) == ["p2", "p1", "p1", "p2", "p2", "p5"]
    assert sets(pairs) == [(0, 3, 4), (1, 2)]
    assert merged(groups, []) == groups
