"""Images are resized without aliasing, stretched or with bars."""

import numpy as np
import pytest

from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.images.resize import fit_square, resize
from tests.sample_images import encoded, picture


def test_stretch_averages_over_areas() -> None:
    pixels = picture("image", 128, 64)
    fitted = fit_square(pixels, PixelOptions(image_px=32, aspect="stretch"))
    naive = pixels.reshape(32, 2, 32, 4).mean((1, 3))
    assert fitted.dtype == np.uint8
    assert np.abs(fitted - naive).max() <= 0.5


@pytest.mark.parametrize(("width", "height", "bars"), [(128, 64, (8, 0)), (64, 128, (0, 8))])
def test_keep_leaves_black_bars(width: int, height: int, bars: tuple[int, int]) -> None:
    fitted = fit_square(
        np.full((height, width), 200, np.uint8), PixelOptions(image_px=32, aspect="keep")
    )
    down, right = bars
    assert (fitted[down : 32 - down, right : 32 - right] == 200).all()
    assert fitted.sum() == 200 * 32 * 16


def test_an_axis_that_shrinks_is_averaged_while_the_other_grows() -> None:
    # One column in eight is white: sampled, it would be 0 or 255; averaged, 32 everywhere.
    pixels = np.zeros((20, 256), np.uint8)
    pixels[:, ::8] = 255
    resized = resize(pixels, 32, 40)
    assert resized.shape == (40, 32)
    assert np.abs(resized.astype(int) - 32).max() <= 1


def test_an_image_of_the_right_size_is_unchanged() -> None:
    pixels = picture("image", 32, 32)
    assert np.array_equal(
        prepare(encoded(pixels, "PNG"), PixelOptions(image_px=32, aspect="keep")), pixels
    )
