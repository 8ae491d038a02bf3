import numpy as np
import pytest

from stages.network import saliency
from stages.network.model import build
from tests.changed import changed
from tests.network.tiny import OPTIONS, images

PIXELS, _ = images(3, 64)


def test_maps_have_the_shape_of_the_images_and_range_from_0_to_1() -> None:
    maps = saliency.heatmaps(build(OPTIONS, 64), PIXELS)
    assert maps.shape == (3, 64, 64)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1, rtol=1e-6)


def test_maps_change_when_the_weights_are_randomised() -> None:
    # Sanity check of Adebayo et al. 2018: a map that does not change depends on the image alone.
    model = build(OPTIONS, 64)
    before = saliency.heatmaps(model, PIXELS)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    after = saliency.heatmaps(model, PIXELS)
    for a, b in zip(before, after, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] < 0.8


def test_a_map_has_its_maximum_where_the_network_responds() -> None:
    import keras

    inputs = keras.Input((None, None, 1))
    bright = keras.layers.Conv2D(
        4,
        4,
        strides=4,
        activation="relu",
        kernel_initializer="ones",
        bias_initializer=keras.initializers.Constant(-3000.0),
    )(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(bright)
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(pooled))
    image = np.full((1, 64, 64), 40, np.uint8)
    image[0, 40:52, 8:20] = 250
    found = saliency.heatmaps(model, image)[0]
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert 40 <= y < 52
    assert 8 <= x < 20
    assert found[:30].max() == pytest.approx(0, abs=1e-6)


def test_the_seed_network_has_maps_too() -> None:
    model = build(changed(OPTIONS, network="seed", crop_px=64), 64)
    assert saliency.heatmaps(model, PIXELS).shape == (3, 64, 64)


def test_a_sheet_is_a_colour_image_with_a_cell_for_each_map() -> None:
    model = build(OPTIONS, 64)
    one = saliency.sheet(model, PIXELS[:1], ["a"])
    assert (one.ndim, one.shape[2]) == (3, 3)
    assert one.dtype == np.uint8
    many = saliency.sheet(model, np.repeat(PIXELS[:1], 5, axis=0), list("abcde"))
    assert many.shape == (2 * one.shape[0], one.shape[1], 3)
    with pytest.raises(ValueError, match="argument"):
        saliency.sheet(model, PIXELS[:2], ["a caption too few"])
