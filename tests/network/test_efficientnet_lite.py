"""EfficientNet-Lite: the published architecture, and its published weights where they are here."""

from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_sample_image

from stages.engine.errors import InputError
from stages.network import efficientnet_lite, loop, saliency
from stages.network.model import build
from stages.network.options import LITE, Lite
from stages.network.predict import predictor
from stages.network.pretrained import packages
from stages.network.pretrained.origin import PACKAGES
from tests.changed import changed
from tests.network.tiny import OPTIONS, Judge, images

PUBLISHED_PX = {"EfficientNetLite0": 224, "EfficientNetLite1": 240, "EfficientNetLite2": 260}


def require(network: Lite) -> Any:
    """The tensors of a network's package; skips where it is not installed."""
    try:
        return packages.read_weights(PACKAGES[network])
    except InputError as error:
        if "found none" not in str(error):
            raise
        pytest.skip(f"the extra pretrained is not installed: {PACKAGES[network].name}")


def body(network: Lite, channels: int = 3) -> Any:
    colour = keras.Input((None, None, channels))
    return keras.Model(colour, efficientnet_lite.features(colour, network))


@pytest.mark.parametrize(
    ("network", "parameters", "published"),
    [
        ("EfficientNetLite0", 3_413_024, 4_694_024),
        ("EfficientNetLite1", 4_189_344, 5_470_344),
        ("EfficientNetLite2", 4_869_168, 6_150_168),
    ],
)
def test_the_numbers_of_weights_are_the_published_ones(
    network: Lite, parameters: int, published: int
) -> None:
    classifier = 1280 * 1000 + 1000
    assert parameters + classifier == published
    assert body(network).count_params() == parameters


@pytest.mark.parametrize("px", [32, 41, 160])
def test_any_size_is_taken(px: int) -> None:
    maps = body("EfficientNetLite0").compute_output_shape((2, px, px, 3))
    assert maps == (2, -(-px // 32), -(-px // 32), 1280)


def test_activations_end_at_6() -> None:
    model = body("EfficientNetLite0")
    maps = model(1e3 * np.ones((1, 32, 32, 3), np.float32), training=False)
    assert float(np.max(maps)) <= 6


def exported(model: Any) -> dict[str, npt.NDArray[Any]]:
    """Return the weights of a model as PyTorch would name and order them."""
    found = {}
    for layer in model.layers:
        source = efficientnet_lite._source(layer.name)
        if source:
            parts = efficientnet_lite._ARRAYS[type(layer)]
            for (part, axes), array in zip(parts, layer.get_weights(), strict=True):
                found[f"{source}.{part}"] = array.transpose(np.argsort(axes))
    return found


def test_every_weight_is_loaded_to_its_place() -> None:
    keras.utils.set_random_seed(1)
    donor, model = body("EfficientNetLite0"), body("EfficientNetLite0")
    rng = np.random.default_rng(0)
    donor.set_weights([rng.random(w.shape, np.float32) for w in donor.get_weights()])
    tensors = exported(donor)
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_blocks.1._depthwise_conv.weight"].shape == (96, 1, 3, 3)
    efficientnet_lite.load(model, tensors, "a file")
    for given, taken in zip(donor.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(given, taken)


def test_tensors_of_another_network_are_refused() -> None:
    model = body("EfficientNetLite0")
    tensors = exported(model)
    with pytest.raises(InputError, match=r"a file: expected tensors of this network alone.*'odd'"):
        efficientnet_lite.load(model, {**tensors, "odd": np.zeros(1)}, "a file")
    del tensors["_blocks.2._bn1.running_var"]
    with pytest.raises(InputError, match="for the layer block2_depthwise_norm, received"):
        efficientnet_lite.load(model, tensors, "a file")
    with pytest.raises(InputError, match=r"a file: expected arrays .* of another network"):
        efficientnet_lite.load(body("EfficientNetLite2"), exported(model), "a file")


def central_crop(image: npt.NDArray[np.uint8], px: int) -> npt.NDArray[np.uint8]:
    """The crop that these networks were evaluated on: px / (px + 32) of the shorter side."""
    height, width = image.shape[:2]
    side = int(px / (px + 32) * min(height, width))
    top, left = (height - side) // 2, (width - side) // 2
    cut = image[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (px, px), interpolation=cv2.INTER_CUBIC), np.uint8)


# The flower is a dahlia, which ImageNet's classes lack: the nearest, for Lite0, is the daisy.
@pytest.mark.parametrize(
    ("network", "picture", "label"),
    [
        ("EfficientNetLite0", "china.jpg", 698),  # palace
        ("EfficientNetLite0", "flower.jpg", 985),  # daisy
        pytest.param("EfficientNetLite1", "china.jpg", 698, marks=pytest.mark.slow),
        pytest.param("EfficientNetLite2", "china.jpg", 698, marks=pytest.mark.slow),
    ],
)
def test_known_pictures_get_their_class(network: Lite, picture: str, label: int) -> None:
    tensors = require(network)
    model = body(network)
    efficientnet_lite.load(model, tensors, network)
    pixels = central_crop(load_sample_image(picture), PUBLISHED_PX[network]).astype(np.float32)
    mean, deviation = efficientnet_lite.MEAN, np.sqrt(efficientnet_lite.VARIANCE)
    maps = model(((pixels - mean) / deviation)[None].astype(np.float32))
    scores = tensors["_fc.weight"] @ np.mean(maps[0], (0, 1)) + tensors["_fc.bias"]
    assert int(np.argmax(scores)) == label


@pytest.mark.parametrize(
    "network", [LITE[0], *(pytest.param(name, marks=pytest.mark.slow) for name in LITE[1:])]
)
def test_a_network_starts_from_its_published_weights(network: Lite) -> None:
    tensors = require(network)
    options = changed(OPTIONS, network=network, weights="imagenet")
    model = build(options, 32)
    np.testing.assert_array_equal(
        model.get_layer("head_norm").get_weights()[3], tensors["_bn1.running_var"]
    )
    grey = model.get_layer("standardise")(np.full((1, 2, 2, 3), 255, np.float32))
    np.testing.assert_allclose(grey, 1.0)


@pytest.mark.slow
def test_it_trains_and_a_map_shows_what_it_looks_at(tmp_path: Any) -> None:
    options = changed(OPTIONS, network="EfficientNetLite0", epochs=1, warmup_epochs=0.0)
    pixels, labels = images(8, 48)
    trained = loop.train(
        changed(options, crop_px=48),
        loop.Images(pixels, labels),
        Judge(48),
        image_px=48,
        folder=tmp_path / "checkpoints",
        on_epoch=lambda _: None,
    )
    assert np.isfinite(trained.history[0]["loss"])
    assert np.isfinite(predictor(trained.model)(pixels)).all()
    assert saliency.heatmaps(trained.model, images(2, 160)[0]).shape == (2, 160, 160)
