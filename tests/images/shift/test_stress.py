"""Each stress variant keeps shape and dtype, and changes what its name says."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from stages.engine.arrays import GrayImage
from stages.images.nuisance import sharpness, texture
from stages.images.shift import stress

Variant = Callable[[GrayImage], GrayImage]


def image(height: int = 64, width: int = 80, seed: int = 0) -> GrayImage:
    """Make soft noise, uint8 (height, width), from dark to nearly white."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    soft = cv2.GaussianBlur(noise, (0, 0), 1.0)
    low, high = soft.min(), soft.max()
    levels: GrayImage = np.rint(250 * (soft - low) / (high - low)).astype(np.uint8)
    return levels


EACH = pytest.mark.parametrize(("name", "variant"), stress.VARIANTS.items())


@EACH
def test_a_variant_keeps_shape_and_dtype_and_does_not_change_its_input(
    name: str, variant: Variant
) -> None:
    before = image()
    after = variant(before)
    assert (after.shape, after.dtype) == (before.shape, np.uint8)
    assert np.array_equal(before, image())
    assert not np.array_equal(after, before)


@EACH
def test_a_variant_is_deterministic(name: str, variant: Variant) -> None:
    assert np.array_equal(variant(image()), variant(image()))


@EACH
def test_a_black_and_a_white_image_stay_in_range(name: str, variant: Variant) -> None:
    assert not variant(np.zeros((40, 40), np.uint8)).max() > stress.BRIGHTER_LEVELS
    white = variant(np.full((40, 40), 255, np.uint8))
    assert white[20, 20] == 255


def test_brightening_adds_levels_up_to_white() -> None:
    levels = np.array([[0, 100], [225, 226]], np.uint8)
    assert stress.brighten(levels).tolist() == [[30, 130], [255, 255]]


def test_blanking_changes_the_outer_eighth_only() -> None:
    before = np.full((64, 80), 200, np.uint8)
    after = stress.blank_frame(before)
    assert (after[8:56, 10:70] == 200).all()
    assert after.astype(int).sum() == 200 * 48 * 60


def test_cropping_enlarges_both_axes_and_stretching_one() -> None:
    disc = np.zeros((100, 100), np.uint8)
    cv2.circle(disc, (50, 50), 20, 255, -1)

    def extent(pixels: GrayImage, axis: int) -> int:
        return int((pixels.max(axis=axis) > 127).sum())

    larger = round(extent(disc, 0) / 0.8)
    tall, crop = stress.stretch(disc), stress.crop(disc)
    assert extent(tall, 1) == pytest.approx(larger, abs=1)
    assert extent(tall, 0) == extent(disc, 0)
    assert extent(crop, 0) == pytest.approx(larger, abs=1)
    assert extent(crop, 1) == pytest.approx(larger, abs=1)


def test_stretching_moves_texture_and_blurring_moves_sharpness() -> None:
    before = image(160, 160)
    assert texture(stress.stretch(before)) > 1.1 * texture(before)
    assert sharpness(stress.blur(before)) < 0.6 * sharpness(before)


def test_re_encoding_changes_pixels_by_little() -> None:
    before = image(160, 160)
    error = stress.reencode(before).astype(int) - before
    assert 0 < np.abs(error).mean() < 10


def test_a_variant_is_applied_to_each_image() -> None:
    images = np.stack([image(seed=seed) for seed in range(3)])
    after = stress.apply_variant(images, stress.crop)
    assert after.shape == images.shape
    assert np.array_equal(after[2], stress.crop(images[2]))
