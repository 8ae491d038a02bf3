"""Compute the networks with operations that every processor rounds alike.

TensorFlow takes a reciprocal, or a reciprocal square root, by a Newton step from an instruction
(`rcpps`, `rsqrtps`) whose bits each maker of processors chooses. Division and square root are exact
by IEEE 754 everywhere, and cost no measurable time here. So

- Keras normalises by them: the two functions of its backend that all its normalisations call are
  replaced. Layers and saved files stay plain Keras, which opens them without this project; a copy
  of each layer's `call` would do the same for more code.
- TensorFlow leaves a graph as it was traced: its optimizer would turn x / sqrt(y) and x / constant
  into products with reciprocals. Training and prediction are as fast without it.
- the loss has a gradient of its own, because that of log1p is a reciprocal.
"""

from typing import Any

import keras
import tensorflow as tf


def install() -> None:
    """Replace the functions in Keras and switch the graph optimizer off, in this process.

    Call it before a network is called. Calling it again does nothing more.
    """
    backend = keras.src.backend
    for module, function in ((backend.math, _rsqrt), (backend.nn, _batch_normalization)):
        name = function.__name__.removeprefix("_")
        if not hasattr(module, name):  # a Keras that normalises in another way
            raise RuntimeError(f"Keras {keras.__version__}: expected a backend function {name}")
        setattr(module, name, function)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def cross_entropy(targets: Any, logits: Any) -> Any:
    """Sigmoid cross-entropy of each logit with its target, float32 (N,) each."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def of_logits(logits: Any) -> tuple[Any, Any]:
        # exp(-|z|), which doesn't overflow: Keras and TensorFlow use the same form.
        small = tf.exp(-tf.abs(logits))
        losses = tf.maximum(logits, 0.0) - logits * targets + tf.math.log1p(small)

        def gradient(upstream: Any) -> Any:
            probability = tf.where(logits >= 0, tf.ones_like(small), small) / (1 + small)
            return upstream * (probability - targets)

        return losses, gradient

    return of_logits(logits)


def _rsqrt(x: Any) -> Any:
    return 1 / tf.sqrt(keras.ops.convert_to_tensor(x))


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
