from pathlib import Path

import keras
import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.network import loop, saliency
from stages.network.backbones import _STATISTICS
from stages.network.model import build
from stages.network.options import BACKBONES, TrainOptions
from stages.network.predict import predictor
from tests.changed import changed
from tests.network.tiny import OPTIONS, Judge, images


def options_of(network: str, **changes: object) -> TrainOptions:
    return changed(OPTIONS, network=network, crop_px=48, **changes)


@pytest.mark.parametrize("network", ["compact", "seed", "EfficientNetLite0", "MobileNet"])
def test_every_network_takes_raw_pixels(network: str) -> None:
    model = build(options_of(network), 48)
    assert model.input_shape[-1] == 1
    assert model.output_shape == (None, 1)
    pixels, _ = images(3, 48)
    pixels[0], pixels[1] = 0, 255  # the ends of the range, and images without any contrast
    logits = predictor(model)(pixels)
    assert logits.shape == (3,)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert np.abs(logits).max() < 50


def test_the_compact_network_takes_images_of_any_size() -> None:
    logits = predictor(build(OPTIONS, 32))
    assert logits(images(2, 32)[0]).shape == logits(images(2, 41)[0]).shape == (2,)


def test_the_compact_network_is_invariant_to_exposure() -> None:
    pixels, _ = images(4)
    dim = (pixels // 2).astype(np.uint8) * 2
    logits = predictor(build(OPTIONS, 32))
    np.testing.assert_allclose(logits(dim), logits((dim // 2 + 40).astype(np.uint8)), atol=2e-2)


def test_weights_are_a_function_of_the_seed() -> None:
    one, same, other = (build(changed(OPTIONS, seed=seed), 32).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize(("crop_px", "image_px"), [(48, 64), (32, 32)])
def test_the_seed_network_refuses_unsupported_sizes(crop_px: int, image_px: int) -> None:
    options = changed(OPTIONS, network="seed", crop_px=crop_px)
    with pytest.raises(InputError, match=rf"train\.crop_px: .*received {crop_px} and {image_px}"):
        build(options, image_px)
    build(changed(options, crop_px=46), 46)  # the smallest


def test_backbones_exist_in_keras() -> None:
    assert [name for name in BACKBONES if not hasattr(keras.applications, name)] == []
    assert len(set(BACKBONES)) == len(BACKBONES)


def test_every_backbone_normalises_as_in_its_pretraining() -> None:
    def family(name: str) -> str | None:
        return next((stem for stem in _STATISTICS if name.startswith(stem)), None)

    modules = {
        "DenseNet": "densenet",
        "VGG": "vgg16",
        "ResNet50V2": "resnet_v2",
        "ResNet": "resnet",
        "ResNet101V2": "resnet_v2",
        "InceptionV3": "inception_v3",
        "Xception": "xception",
        "MobileNetV3": "mobilenet_v3",
        "MobileNet": "mobilenet",
    }
    of_keras = {stem: of for stem, of in _STATISTICS.items() if stem != "EfficientNetLite"}
    assert set(modules) == set(of_keras)
    inside = [name for name in BACKBONES if family(name) is None]
    assert all(name.startswith(("ConvNeXt", "EfficientNet")) for name in inside)
    grey = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 1)).astype(np.float32)
    rgb = np.repeat(grey, 3, axis=-1)
    for stem, statistics in of_keras.items():
        expected = getattr(keras.applications, modules[stem]).preprocess_input(rgb.copy())
        ours = rgb
        if statistics is not None:
            ours = (rgb - np.array(statistics[0])) / np.sqrt(statistics[1])
        np.testing.assert_allclose(ours, expected, atol=1e-4, err_msg=stem)


def test_a_missing_weights_file_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "none.weights.h5"
    with pytest.raises(InputError, match=r"train\.weights: expected a weights file.*none\.weights"):
        build(options_of("MobileNet", weights=str(missing)), 48)


@pytest.mark.parametrize("content", [b"no weights at all", b""])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.weights.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train\.weights: expected weights of MobileNet"):
        build(options_of("MobileNet", weights=str(path)), 48)


@pytest.mark.slow
def test_a_backbone_starts_from_local_weights_and_trains(tmp_path: Path) -> None:
    path = tmp_path / "local.weights.h5"
    keras.utils.set_random_seed(77)
    donor = keras.applications.MobileNet(weights=None, include_top=False)
    donor.save_weights(path)
    options = options_of("MobileNet", weights=str(path), epochs=1, warmup_epochs=0.0)
    model = build(options, 48)
    head = len(model.get_layer("logit").get_weights())
    for given, taken in zip(donor.get_weights(), model.get_weights()[:-head], strict=True):
        np.testing.assert_array_equal(given, taken)
    pixels, labels = images(8, 48)
    trained = loop.train(
        options,
        loop.Images(pixels, labels),
        Judge(48),
        image_px=48,
        folder=tmp_path / "checkpoints",
        on_epoch=lambda _: None,
    )
    assert np.isfinite(trained.history[0]["loss"])
    maps = saliency.heatmaps(trained.model, images(2, 160)[0])
    assert maps.shape == (2, 160, 160)


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        "DenseNet121",
        "EfficientNetB0",
        "MobileNetV3Small",
        "ResNet50V2",
        "InceptionV3",
        "ConvNeXtTiny",
    ],
)
def test_other_backbones_take_raw_pixels(network: str) -> None:
    model = build(changed(OPTIONS, network=network, crop_px=96), 96)
    pixels, _ = images(2, 96)
    assert np.isfinite(predictor(model)(pixels)).all()
    assert saliency.heatmaps(model, pixels).shape == (2, 96, 96)
