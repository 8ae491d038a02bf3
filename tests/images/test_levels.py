"""Grey levels: what shows a picture, and which range samples use."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.engine.errors import UnusableImage
from stages.images.levels import MIN_JUDGED_PIXELS, check_picture, picture_problem, used_range
from tests.sample_images import picture

PICTURE = picture("image", 60, 48)


def between(low: int, high: int) -> NDArray[np.uint8]:
    """PICTURE over other grey levels."""
    scaled = low + PICTURE.astype(int) * (high - low) // 255
    return scaled.astype(np.uint8)


def with_corner(image: NDArray[np.uint8], side: int, level: int) -> NDArray[np.uint8]:
    changed = image.copy()
    changed[:side, :side] = level
    return changed


@pytest.mark.parametrize(
    "image",
    [
        PICTURE,
        between(0, 120),
        between(150, 255),
        between(100, 160),
        np.where(PICTURE > 127, 255, 0).astype(np.uint8),
        with_corner(PICTURE, 40, 0),
        with_corner(PICTURE, 40, 255),
        with_corner(between(0, 0), 20, 255),
    ],
)
def test_pictures(image: NDArray[np.uint8]) -> None:
    assert picture_problem(image) is None


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (between(0, 15), "black"),
        (between(0, 60), "black"),
        (between(240, 255), "white"),
        (between(195, 255), "white"),
        (between(120, 135), "even"),
        (with_corner(between(0, 15), 10, 255), "black"),
        (with_corner(between(0, 15), 40, 255), "black"),
        (with_corner(between(240, 255), 40, 0), "white"),
        (with_corner(between(0, 0), 4, 200), "black"),
        (with_corner(between(0, 0), 14, 255), "black"),
        (with_corner(between(255, 255), 14, 0), "white"),
    ],
)
def test_no_pictures(image: NDArray[np.uint8], name: str) -> None:
    with pytest.raises(UnusableImage, match=f"received a nearly {name} one: .* because"):
        check_picture(image, cause="; because")


def test_padding_is_not_judged() -> None:
    padded = with_corner(between(0, 60), 40, 128)
    visible = with_corner(np.ones_like(padded), 40, 0)
    assert "black" in (picture_problem(padded, visible=visible) or "")


def test_an_icon_is_refused_only_if_it_is_even() -> None:
    icon = between(250, 255)[:16, :16]
    assert icon.size < MIN_JUDGED_PIXELS
    assert picture_problem(icon) is None
    assert picture_problem(np.full((16, 16), 255, np.uint8)) == "one even grey (255)"


def counted(samples: NDArray[np.integer]) -> tuple[float, float] | None:
    values, counts = np.unique(samples, return_counts=True)
    found = used_range(values.astype(float), counts.astype(float))
    return (found.low, found.high) if found else None


SAMPLES = np.arange(4096).repeat(4)


def test_the_range_leaves_out_half_a_per_cent_at_each_end() -> None:
    assert counted(SAMPLES) == (20, 4075)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.4])
@pytest.mark.parametrize("value", [65535, -32768])
def test_the_range_leaves_out_values_far_from_all_others(share: float, value: int) -> None:
    far = np.full(int(share * SAMPLES.size), value)
    assert counted(np.concatenate([SAMPLES, far])) == (20, 4075)
    both = np.concatenate([SAMPLES, far, np.full(9, -value)])
    assert counted(both) == (20, 4075)


def test_the_range_leaves_out_a_marker_with_a_soft_edge() -> None:
    marker = np.linspace(5000, 65535, SAMPLES.size // 30).astype(int)
    found = counted(np.concatenate([SAMPLES, marker]))
    assert found is not None
    assert found[0] == 21
    assert 4095 < found[1] < 6200


def test_two_values_have_no_range_of_a_picture() -> None:
    assert counted(np.array([0] * 900 + [65535] * 100)) is None
    assert counted(np.arange(20).repeat(50)) is None
    mostly_far = np.concatenate([SAMPLES, np.full(4 * SAMPLES.size, 65535)])
    assert counted(mostly_far) is None
