"""Facts of images against naive NumPy."""

from typing import Any

import numpy as np
import pytest

from stages.images.facts import NUMBERS, OF_PIXELS, file_facts, image_facts, pixel_facts
from stages.images.nuisance import sharpness, texture
from stages.sources.header import read_header
from tests.sample_images import encoded, picture


def naive(pixels: Any) -> dict[str, float]:
    levels = pixels.astype(np.float64)
    return {
        "mean": levels.mean(),
        "deviation": levels.std(),
        "dark_share": (pixels < 64).mean(),
        "bright_share": (pixels > 191).mean(),
        "texture": texture(pixels),
        "sharpness": sharpness(pixels),
    }


@pytest.mark.parametrize("seed", range(5))
def test_facts_of_pixels_equal_naive_ones(seed: int) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256 >> seed, (40, 31 + seed), dtype=np.uint8)
    found = pixel_facts(pixels)
    assert tuple(found) == OF_PIXELS
    for name, value in naive(pixels).items():
        assert found[name] == pytest.approx(value, abs=5.1e-7), name
        assert found[name] == round(found[name], 6)


@pytest.mark.parametrize("level", [0, 63, 64, 191, 192, 255])
def test_an_even_image_has_no_deviation(level: int) -> None:
    found = pixel_facts(np.full((1024, 1024), level, np.uint8))  # sums beyond 32 bits
    assert (found["mean"], found["deviation"]) == (level, 0.0)
    assert found["dark_share"] == float(level < 64)
    assert found["bright_share"] == float(level > 191)


def test_facts_of_a_file_are_those_of_its_header() -> None:
    pixels = picture("image", 50, 40)
    data = encoded(pixels)
    header = read_header(data)
    found = image_facts(header, len(data), pixels)
    assert {*found} == {*NUMBERS, "mode"}
    assert (found["width"], found["height"], found["mode"]) == (50, 40, "L")
    assert found["bytes_per_pixel"] == pytest.approx(len(data) / 2000, abs=5.1e-7)
    assert found["jpeg_table_mean"] == header.jpeg_table_mean
    assert found["mean"] == pytest.approx(pixels.mean(), abs=5.1e-7)


def test_what_is_unknown_is_none() -> None:
    data = encoded(picture("image", 50, 40))
    without = image_facts(read_header(data), len(data), None)
    assert all(without[name] is None for name in OF_PIXELS)
    assert without["width"] == 50
    copy = file_facts(40, 50, None, None, "")
    assert (copy["width"], copy["bytes_per_pixel"], copy["jpeg_table_mean"]) == (40, None, None)
