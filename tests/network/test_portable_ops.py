"""What the networks compute is rounded alike by every processor, and is what Keras computes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from stages.engine import devices
from stages.network import canonical, fine_tune, portable_ops
from stages.network.model import build
from stages.network.predict import load_model, predictor
from stages.network.step import make_optimizer, make_step, targets_of
from tests.changed import changed
from tests.network.tiny import OPTIONS, images

APPROXIMATE = {
    *("Rsqrt", "RsqrtGrad", "Reciprocal", "Inv", "InvGrad", "Erfc"),
    *("Softmax", "LogSoftmax", "LRN", "Atan", "Atan2", "Ndtri", "FusedBatchNormV3"),
    *("BesselI0e", "BesselI1e"),
    "XLA",
}
"""Operations of TensorFlow 2.21 whose kernels have `rcpps` or `rsqrtps`, whose bits the processor's
maker chooses, found by disassembly; and what XLA compiles for the processor at hand."""

SMALL = ("compact", "seed")
LARGE = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetV2B0",
    "InceptionV3",
    "MobileNetV2",
    "MobileNetV3Small",
    "ResNet50V2",
)


def executed(function: Any, *arguments: Any) -> set[str]:
    """Names of the operations that TensorFlow runs in the first call of a function."""
    from tensorflow.python.eager import context

    context.enable_run_metadata()
    try:
        function(*arguments)
        metadata = context.export_run_metadata()
    finally:
        context.disable_run_metadata()
    graphs = [graph for of in metadata.function_graphs for graph in of.partition_graphs]
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [
        node for graph in graphs for inner in graph.library.function for node in inner.node_def
    ]
    return {"XLA" if "_XlaMustCompile" in node.attr else node.op for node in nodes}


def operations(network: str) -> set[str]:
    """Names of the operations of a training step and of a prediction."""
    px = 75 if network == "InceptionV3" else 48
    options = changed(OPTIONS, network=network, crop_px=px, batch=4)
    keras.backend.clear_session()
    model = build(options, px)
    tuned = fine_tune.prepare(model, options)
    optimizer = make_optimizer(options, 10, tuned)
    step = make_step(devices.strategy(), model, optimizer, options, tuned.variables)
    pixels, labels = images(4, px)
    targets, weights = targets_of(labels, options)
    trained = executed(step, pixels, targets, weights)
    return trained | executed(predictor(model), pixels)


@pytest.mark.parametrize(
    "network", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_no_network_takes_a_reciprocal_or_its_square_root(network: str) -> None:
    found = operations(network)
    assert "Log" in found
    assert any(name.startswith("_MklNativeConv2D") for name in found)
    assert not found & APPROXIMATE


def test_the_check_sees_a_reciprocal_square_root() -> None:
    function = tf.function(lambda x: tf.math.rsqrt(x) + tf.math.reciprocal(x))
    assert {"Rsqrt", "Reciprocal"} <= executed(function, tf.ones(8))


def test_the_graph_optimizer_puts_none_in() -> None:
    portable_ops.install()
    function = tf.function(lambda x: x / tf.sqrt(x + 1) + x / tf.constant([3.0, 7.0]))
    found = executed(function, tf.ones(2))
    assert {"RealDiv", "Sqrt"} <= found
    assert not found & APPROXIMATE


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("scaled", [True, False])
def test_batch_normalization_is_that_of_keras(axis: int, scaled: bool) -> None:
    portable_ops.install()
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (4, 5, 6, 7)).astype(np.float32)
    layer = keras.layers.BatchNormalization(axis=axis, scale=scaled, center=scaled)
    layer.build(x.shape)
    layer.set_weights([rng.uniform(0.5, 2, value.shape) for value in layer.get_weights()])
    weights = layer.get_weights() if scaled else [np.ones(()), np.zeros(()), *layer.get_weights()]
    gamma, beta, mean, variance = weights
    shape = [1] * 4
    shape[axis] = -1

    def along(value: Any) -> Any:
        return np.reshape(np.asarray(value, np.float64), shape if np.ndim(value) else ())

    deviation = np.sqrt(along(variance) + layer.epsilon)
    expected = (x - along(mean)) / deviation * along(gamma) + along(beta)
    np.testing.assert_allclose(layer(x, training=False), expected, rtol=2e-5, atol=2e-6)
    normalized = np.asarray(layer(x, training=True))
    others = tuple(number for number in range(4) if number != axis % 4)
    shift, spread = normalized.mean(axis=others), normalized.std(axis=others)
    np.testing.assert_allclose(shift, beta if scaled else 0, atol=1e-4)
    np.testing.assert_allclose(spread, gamma if scaled else 1, rtol=1e-3)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("strides", "dilation_rate"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_of_one_group_per_channel_is_one_convolution_per_channel(
    strides: int, dilation_rate: int, padding: str
) -> None:
    portable_ops.install()
    rng = np.random.default_rng(0)
    x = tf.constant(rng.integers(-9, 10, (2, 11, 11, 6)).astype(np.float32))
    layer = keras.layers.Conv2D(
        6, 3, strides, padding, dilation_rate=dilation_rate, groups=6, use_bias=False
    )
    layer.build(x.shape)
    kernel = tf.constant(rng.integers(-9, 10, (3, 3, 1, 6)).astype(np.float32))
    layer.set_weights([kernel])
    arguments = (strides, padding, None, dilation_rate)
    alone = [slice(channel, channel + 1) for channel in range(6)]
    expected = [keras.ops.conv(x[..., one], kernel[..., one], *arguments) for one in alone]
    np.testing.assert_array_equal(layer(x), np.concatenate(expected, axis=-1))
    np.testing.assert_array_equal(keras.ops.conv(x, kernel, *arguments), layer(x))


def test_the_check_sees_what_xla_compiles() -> None:
    compiled = tf.function(lambda x: x + 1, jit_compile=True)
    assert "XLA" in executed(tf.function(lambda x: compiled(x) * 2), tf.ones(8))


@pytest.mark.parametrize("approximate", [True, False])
def test_gelu_and_its_gradient_are_those_of_tensorflow(approximate: bool) -> None:
    portable_ops.install()
    x = tf.constant(np.linspace(-6, 6, 101, dtype=np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = keras.ops.gelu(x, approximate=approximate)
        theirs = tf.nn.gelu(x, approximate=approximate)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(ours, x), tape.gradient(theirs, x), atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.GroupNormalization(groups=1),
        keras.layers.LayerNormalization(),
        keras.layers.BatchNormalization(dtype="mixed_float16"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_every_normalization_has_mean_0_and_deviation_1(layer: Any) -> None:
    portable_ops.install()
    x = np.random.default_rng(0).normal(3, 2, (2, 8, 8, 16)).astype(np.float32)
    y = np.asarray(layer(x, training=True), np.float64)
    assert abs(y.mean()) < 1e-3
    assert y.std() == pytest.approx(1, abs=2e-3)


def test_the_loss_and_its_gradient_are_those_of_tensorflow() -> None:
    logits = tf.constant([-1e4, -30.0, -2.0, -0.0, 0.0, 1e-6, 3.0, 30.0, 1e4] * 2)
    targets = tf.constant([0.0, 0.95] * 9)
    found = {}
    for name, function in (
        ("ours", portable_ops.cross_entropy),
        ("theirs", lambda t, z: tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z)),
    ):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = function(targets, logits)
            total = tf.reduce_sum(losses * tf.range(18.0))
        found[name] = (losses.numpy(), tape.gradient(total, logits).numpy())
    for ours, theirs in zip(found["ours"], found["theirs"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


def test_a_saved_network_opens_without_this_project(tmp_path: Path) -> None:
    model = build(OPTIONS, 32)
    canonical.save(model, tmp_path / "model.keras")
    pixels, _ = images(3)
    np.save(tmp_path / "pixels.npy", pixels[..., None].astype(np.float32))
    code = (
        "import keras, numpy, sys;"
        "model = keras.saving.load_model('model.keras', compile=False);"
        "numpy.save('logits.npy', model(numpy.load('pixels.npy'), training=False)[:, 0]);"
        "assert 'stages' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    ours = predictor(load_model(tmp_path / "model.keras"))(pixels)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), ours, rtol=1e-4, atol=1e-5)


def test_a_keras_that_normalises_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(keras.src.backend.math, "rsqrt")
    with pytest.raises(RuntimeError, match="expected a backend function rsqrt"):
        portable_ops.install()


@pytest.mark.parametrize("keepdims", [False, True])
def test_moments_have_their_gradient_in_fewer_operations(keepdims: bool) -> None:
    portable_ops.install()
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(2, 3, (4, 5, 6, 3)).astype(np.float32))
    weights = [tf.constant(rng.normal(size=3).astype(np.float32)) for _ in range(2)]

    def gradient(short: bool) -> Any:
        @tf.function
        def of(x: Any) -> Any:
            with tf.GradientTape() as tape, portable_ops.short_gradients(short):
                tape.watch(x)
                moments = keras.ops.moments(x, axes=[0, 1, 2], keepdims=keepdims)
                loss = sum(tf.reduce_sum(w * m) for w, m in zip(weights, moments, strict=True))
            return tape.gradient(loss, x)

        whole = [o for o in of.get_concrete_function(x).graph.get_operations() if is_large(o)]
        return of(x), len(whole)

    def is_large(operation: Any) -> bool:
        return any(output.shape == x.shape for output in operation.outputs)

    (short, few), (plain, many) = gradient(True), gradient(False)
    np.testing.assert_allclose(short, plain, rtol=1e-4, atol=1e-6)
    assert few < many
