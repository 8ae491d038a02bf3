"""Compute the networks with operations that every processor rounds alike.

TensorFlow takes a reciprocal, or a reciprocal square root, by a Newton step from an instruction
(`rcpps`, `rsqrtps`) whose bits each maker of processors chooses. Division and square root are exact
by IEEE 754 everywhere, and cost no measurable time here. So

- Keras normalises by them: the two functions of its backend that all its normalisations call are
  replaced. Layers and saved files stay plain Keras, which opens them without this project; a copy
  of each layer's `call` would do the same for more code.
- ConvNeXt's GELU takes erf, since TensorFlow's erfc, which Keras would take, starts from `rcpps`;
  and its depthwise convolutions take TensorFlow's operation of that name, since Keras would have
  XLA compile them for the processor at hand.
- TensorFlow leaves a graph as it was traced: its optimizer would turn x / sqrt(y) and x / constant
  into products with reciprocals. Training and prediction are as fast without it.
- the loss takes log instead of log1p, whose gradient is a reciprocal, and which C libraries round
  differently; and it has a gradient of its own.
"""

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_keras_conv = keras.src.backend.nn.conv
_keras_moments = keras.src.backend.nn.moments
_short_gradient = contextvars.ContextVar("short_gradient", default=False)


def install() -> None:
    """Replace the functions in Keras and switch the graph optimizer off, in this process.

    Call it before a network is called. Calling it again does nothing more.
    """
    backend = keras.src.backend
    replacements = (
        (backend.math, _rsqrt),
        (backend.nn, _batch_normalization),
        (backend.nn, _gelu),
        (backend.nn, _conv),
        (backend.nn, _moments),
    )
    for module, function in replacements:
        name = function.__name__.removeprefix("_")
        if not hasattr(module, name):  # a Keras that normalises in another way
            raise RuntimeError(f"Keras {keras.__version__}: expected a backend function {name}")
        setattr(module, name, function)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def cross_entropy(targets: Any, logits: Any) -> Any:
    """Sigmoid cross-entropy of each logit with its target, float32 (N,) each."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def of_logits(logits: Any) -> tuple[Any, Any]:
        # TensorFlow's form, which doesn't overflow. Losses below 1e-7 are rounded to 0.
        small = tf.exp(-tf.abs(logits))
        losses = tf.maximum(logits, 0.0) - logits * targets + tf.math.log(1 + small)

        def gradient(upstream: Any) -> Any:
            probability = tf.where(logits >= 0, tf.ones_like(small), small) / (1 + small)
            return upstream * (probability - targets)

        return losses, gradient

    return of_logits(logits)


@contextlib.contextmanager
def short_gradients(on: bool) -> Iterator[None]:
    """Trace normalisations whose gradient goes over the maps fewer times, where `on`.

    It is the same gradient with other last bits. A step of EfficientNetLite0 takes a tenth less.
    """
    before = _short_gradient.set(on)
    try:
        yield
    finally:
        _short_gradient.reset(before)


def _moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """`keras.ops.moments`: mean and variance."""
    if synchronized or x.dtype != tf.float32 or not _short_gradient.get():
        return _keras_moments(x, axes, keepdims=keepdims, synchronized=synchronized)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def of_maps(x: Any) -> tuple[Any, Any]:
        mean = tf.reduce_mean(x, axis=axes, keepdims=True)
        squares = tf.math.squared_difference(x, mean)
        variance = tf.reduce_mean(squares, axis=axes, keepdims=True)
        count = tf.cast(tf.size(x) // tf.size(mean), x.dtype)

        def gradient(of_mean: Any, of_variance: Any) -> Any:
            slope = 2 * of_variance / count
            return x * slope + (of_mean / count - slope * mean)

        return (mean, variance), gradient

    mean, variance = of_maps(x)
    return (mean, variance) if keepdims else (tf.squeeze(mean, axes), tf.squeeze(variance, axes))


def _rsqrt(x: Any) -> Any:
    return 1 / tf.sqrt(keras.ops.convert_to_tensor(x))


def _gelu(x: Any, approximate: bool = True) -> Any:
    """`keras.ops.gelu`: x times the standard normal distribution function at x."""
    x = keras.ops.convert_to_tensor(x)
    if approximate:
        return tf.nn.gelu(x, approximate=True)
    return 0.5 * x * (1 + tf.math.erf(x / math.sqrt(2)))


def _conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """`keras.ops.conv`, in which a group per channel is a depthwise convolution."""
    last = keras.src.backend.standardize_data_format(data_format) == "channels_last"
    grouped = last and inputs.shape[-1] == kernel.shape[-1] != 1 == kernel.shape[-2]
    if not grouped or len(inputs.shape) != 4:
        return _keras_conv(inputs, kernel, strides, padding, data_format, dilation_rate)
    per_channel = keras.ops.transpose(kernel, (0, 1, 3, 2))
    strides, dilation_rate = (
        (value, value) if isinstance(value, int) else tuple(value)
        for value in (strides, dilation_rate)
    )
    return keras.ops.depthwise_conv(
        inputs, per_channel, strides, padding, data_format, dilation_rate
    )


def _batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """`keras.ops.batch_normalization` with a division: the arguments are the same."""

    def along_axis(statistic: Any) -> Any:
        if axis == -1 or statistic is None:
            return statistic
        shape = [1] * len(x.shape)
        shape[axis] = statistic.shape[0]
        return tf.reshape(statistic, shape)

    mean, variance, offset, scale = map(along_axis, (mean, variance, offset, scale))
    factor = (1.0 if scale is None else scale) / tf.sqrt(variance + epsilon)
    shift = -mean * factor if offset is None else offset - mean * factor
    return x * tf.cast(factor, x.dtype) + tf.cast(shift, x.dtype)
