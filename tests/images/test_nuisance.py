"""Nuisance scalars and their AUROC against naive implementations."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stages.images.nuisance import auroc, sharpness, texture
from tests.sample_images import picture


def test_scalars_equal_naive_implementations() -> None:
    pixels = picture("image", 31, 23)
    whole = pixels.astype(float)
    across, down = np.abs(np.diff(whole, axis=1)).mean(), np.abs(np.diff(whole, axis=0)).mean()
    assert texture(pixels) == pytest.approx(across / down)
    middle = whole[1:-1, 1:-1]
    around = whole[:-2, 1:-1] + whole[2:, 1:-1] + whole[1:-1, :-2] + whole[1:-1, 2:]
    assert sharpness(pixels) == pytest.approx(np.abs(around - 4 * middle).mean())


def test_an_image_without_vertical_change_has_a_texture() -> None:
    assert np.isfinite(texture(np.tile(np.arange(16, dtype=np.uint8), (16, 1))))


def test_auroc_equals_that_of_scikit_learn_with_ties() -> None:
    draws = np.random.default_rng(0)
    values, labels = draws.integers(0, 9, 200), draws.integers(0, 2, 200)
    assert auroc(list(values), list(labels)) == pytest.approx(roc_auc_score(labels, values))
    assert auroc([1.0, 1.0], [0, 1]) == 0.5
