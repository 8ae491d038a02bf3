"""Fine-tuning: frozen stages, frozen statistics, and a learning rate by depth."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.network import fine_tune, loop
from stages.network.fine_tune_options import FineTuneOptions
from stages.network.layers import stages
from stages.network.model import build
from stages.network.options import TrainOptions
from stages.network.step import AdamW
from tests.changed import changed
from tests.network.tiny import OFF, OPTIONS, Judge, images

EVERYTHING = FineTuneOptions(frozen_stages=1, freeze_norm=True, learning_rate_decay=0.5)
SHORT = changed(OPTIONS, epochs=2)


def options_of(chosen: FineTuneOptions) -> TrainOptions:
    """The small network, whose weights are random: not validated, which would refuse that."""
    return SHORT.model_copy(update={"fine_tune": chosen})


def train(chosen: FineTuneOptions, folder: Path, **kwargs: Any) -> Any:
    return train_with(options_of(chosen), folder, **kwargs)


def train_with(options: TrainOptions, folder: Path, **kwargs: Any) -> Any:
    px = options.crop_px
    arguments: dict[str, Any] = {"on_epoch": lambda _: None, **kwargs}
    return loop.train(
        *(options, loop.Images(*images(25, px)), Judge(px)),
        image_px=px,
        folder=folder,
        **arguments,
    ).model


class StoppedError(Exception):
    """Simulates a kill."""


def stop(_: object) -> None:
    raise StoppedError


def weights_of(model: Any) -> dict[str, Any]:
    return {variable.path: np.array(variable) for variable in model.variables}


def unchanged(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {path for path in before if np.array_equal(before[path], after[path])}


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    return weights_of(build(OPTIONS, 32))


@pytest.mark.parametrize(
    ("network", "count", "some"),
    [
        ("compact", 3, {"stem_conv": 1, "stage1_block1_a_conv": 2, "stage2_block1_b_norm": 3}),
        ("seed", 4, {"conv1": 1, "conv4": 4}),
        ("EfficientNetLite0", 5, {"stem_conv": 1, "block1_expand_conv": 1, "head_norm": 5}),
        ("MobileNet", 5, {"conv1": 1, "conv_pw_13": 5}),
        pytest.param("VGG16", 5, {"block1_conv1": 1, "block5_conv3": 5}, marks=pytest.mark.slow),
        pytest.param(
            *(
                "EfficientNetB0",
                5,
                {"stem_conv": 1, "block1a_se_reduce": 1, "block7a_se_expand": 5},
            ),
            marks=pytest.mark.slow,
        ),
        pytest.param("DenseNet121", 5, {"conv1_conv": 1, "bn": 5}, marks=pytest.mark.slow),
        pytest.param("InceptionV3", 5, {"conv2d": 1}, marks=pytest.mark.slow),
        pytest.param("ConvNeXtTiny", 4, {}, marks=pytest.mark.slow),
    ],
)
def test_stages_are_the_layers_of_one_resolution(
    network: str, count: int, some: dict[str, int]
) -> None:
    options = changed(OPTIONS, network=network, crop_px=64)
    model = build(options, 64)
    found = stages(model)
    assert set(found.values()) == set(range(1, count + 1))
    assert {name: found[name] for name in some} == some
    assert "logit" not in found
    off = fine_tune.prepare(model, options)
    everything = model.trainable_variables
    assert [v.path for v in off.variables] == [v.path for v in everything]
    assert set(off.factors) == {1.0}


def test_frozen_stages_keep_weights_and_statistics(tmp_path: Path, before: dict[str, Any]) -> None:
    model = train(changed(OFF, frozen_stages=2), tmp_path / "checkpoints")
    kept = unchanged(before, weights_of(model))
    assert kept == {path for path in before if path.startswith(("stem_", "stage1_"))}
    assert len(kept) > 5
    assert all(layer.trainable for layer in model.layers)  # in the file, as of any other network


def test_frozen_statistics_and_trained_scales(tmp_path: Path, before: dict[str, Any]) -> None:
    model = train(changed(OFF, freeze_norm=True), tmp_path / "checkpoints")
    kept = unchanged(before, weights_of(model))
    assert kept == {path for path in before if "moving_" in path}
    assert kept


def test_the_head_alone_is_trained_where_all_stages_are_frozen(
    tmp_path: Path, before: dict[str, Any]
) -> None:
    model = train(changed(OFF, frozen_stages=3), tmp_path / "checkpoints")
    assert before.keys() - unchanged(before, weights_of(model)) == {"logit/kernel", "logit/bias"}


def test_a_frozen_layer_has_no_backward_pass() -> None:
    """The step's graph has no gradient of a frozen convolution."""
    found = {frozen: gradients(changed(OFF, frozen_stages=frozen)) for frozen in (0, 1, 2, 3)}
    # Of stage1 and stage2: two convolutions each and one that widens stage2; before them the stem.
    assert found == {0: 6, 1: 5, 2: 3, 3: 0}


def gradients(chosen: FineTuneOptions) -> int:
    """Count the operations that compute the gradient of a kernel."""
    from stages.engine import devices
    from stages.network.step import make_optimizer, make_step, targets_of

    options = options_of(chosen)
    keras.backend.clear_session()
    model = build(options, 32)
    tuned = fine_tune.prepare(model, options)
    optimizer = make_optimizer(options, 3, tuned)
    step = make_step(devices.strategy(), model, optimizer, options, tuned.variables)
    pixels, labels = images(8)
    graph = step.get_concrete_function(pixels, *targets_of(labels, options)).graph
    functions = [graph, *(graph._get_function(n).graph for n in graph._functions)]
    names = [operation.type for each in functions for operation in each.get_operations()]
    return names.count("Conv2DBackpropFilter")


def test_the_learning_rate_falls_from_stage_to_stage() -> None:
    options = options_of(changed(OFF, learning_rate_decay=0.5))
    tuned = fine_tune.prepare(build(options, 32), options)
    found = {
        variable.path.split("_")[0].split("/")[0]: factor
        for variable, factor in zip(tuned.variables, tuned.factors, strict=True)
    }
    assert found == {"stem": 0.125, "stage1": 0.25, "stage2": 0.5, "logit": 1.0}


def test_every_variable_has_the_rate_and_decay_of_its_factor() -> None:
    start, gradient = np.array([0.5, -2.0], np.float32), np.array([0.3, 0.1], np.float32)
    names = {"kernel": 1.0, "gamma": 1.0, "other_kernel": 0.25}
    variables = [keras.Variable(start, name=name) for name in names]
    optimizer = AdamW(0.01, 0.1, list(names.values()))
    optimizer.build(variables)
    for _ in range(3):
        optimizer.apply([gradient] * 3, variables)
    for variable, (name, factor) in zip(variables, names.items(), strict=True):
        expected = start.astype(np.float64)
        decay = 0.0 if name == "gamma" else 0.1
        for _ in range(3):  # of equal gradients g, Adam's step is g / |g|
            expected -= expected * decay * 0.01 * factor + 0.01 * factor * np.sign(gradient)
        np.testing.assert_allclose(variable, expected, rtol=1e-5)


def test_without_factors_it_is_adamw_of_keras_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(3, 4)).astype(np.float32) for _ in range(2)]
    results = []
    for make in (
        lambda: AdamW(0.01, 0.1, [1.0, 1.0]),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    ):
        optimizer = make()
        variables = [keras.Variable(s, name=n) for s, n in zip(start, "ab", strict=True)]
        draws = np.random.default_rng(1)
        optimizer.build(variables)
        for _ in range(5):
            optimizer.apply([draws.normal(size=(3, 4)) for _ in "ab"], variables)
        results.append([np.array(variable) for variable in variables])
    np.testing.assert_array_equal(results[0], results[1])


def test_a_stopped_training_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole = train(EVERYTHING, tmp_path / "whole").get_weights()

    with pytest.raises(StoppedError):
        train(EVERYTHING, tmp_path / "checkpoints", on_epoch=stop)
    resumed = train(EVERYTHING, tmp_path / "checkpoints").get_weights()
    for a, b in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_more_frozen_stages_than_there_are_is_refused(tmp_path: Path) -> None:
    message = r"train\.fine_tune\.frozen_stages: expected 0 to 3, the stages of compact, received 4"
    with pytest.raises(InputError, match=message):
        train(changed(OFF, frozen_stages=4), tmp_path / "checkpoints")


@pytest.mark.parametrize(
    ("key", "value", "off"),
    [
        ("frozen_stages", 2, "0"),
        ("freeze_norm", True, "false"),
        ("learning_rate_decay", 0.8, "1.0"),
    ],
)
def test_without_initial_weights_there_is_nothing_to_keep(key: str, value: Any, off: str) -> None:
    given = str(value).lower()
    message = f"fine_tune.{key}: expected {off} where train.weights is null.*received {given}"
    with pytest.raises(ValueError, match=message):
        changed(OPTIONS, fine_tune=changed(OFF, **{key: value}))


@pytest.mark.slow
def test_published_weights_are_tuned_to_the_same_bits_twice_and_after_a_stop(
    tmp_path: Path,
) -> None:
    from stages.network.pretrained import packages
    from stages.network.pretrained.origin import PACKAGES

    try:
        packages.read(PACKAGES["EfficientNetLite0"])
    except InputError:
        pytest.skip("the extra pretrained is not installed")
    options = changed(
        SHORT, network="EfficientNetLite0", weights="imagenet", crop_px=64, fine_tune=EVERYTHING
    )

    start = weights_of(build(options, 64))
    first = train_with(options, tmp_path / "first")
    kept = unchanged(start, weights_of(first))
    frozen = ("stem_", "block0_", "block1_expand")
    assert {path for path in kept if "moving_" not in path} == {
        path for path in start if path.startswith(frozen) and "moving_" not in path
    }
    assert {path for path in start if "moving_" in path} <= kept
    with pytest.raises(StoppedError):
        train_with(options, tmp_path / "second", on_epoch=stop)
    second = train_with(options, tmp_path / "second")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
