"""EfficientNet-Lite: EfficientNet for small devices, with ReLU6 and without squeeze-and-excitation.

Tan & Le 2019, arXiv:1905.11946, in the variant that TensorFlow published in 2020 (tensorflow/tpu,
models/official/efficientnet/lite): stem, head and the repeats of the first and last stage don't
scale. Layers and paddings are those, so that its published weights fit.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import initializers, layers

from stages.engine.errors import InputError
from stages.network.options import Lite
from stages.network.pretrained.torch_file import Tensors

MEAN, VARIANCE = [127.0] * 3, [128.0**2] * 3
"""What the published weights expect to be subtracted from RGB, 0 to 255, and divided by (its root).
"""


class _Scale(NamedTuple):
    width: float
    depth: float


class _Stage(NamedTuple):
    """Blocks of one shape; the first one has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


_SCALES: dict[Lite, _Scale] = {
    "EfficientNetLite0": _Scale(1.0, 1.0),
    "EfficientNetLite1": _Scale(1.0, 1.1),
    "EfficientNetLite2": _Scale(1.1, 1.2),
}
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280

# Of each kind of layer, the arrays in the order of Keras: the name in the checkpoint, and its axes.
_ARRAYS: dict[type, tuple[tuple[str, tuple[int, ...]], ...]] = {
    layers.Conv2D: (("weight", (2, 3, 1, 0)),),
    layers.DepthwiseConv2D: (("weight", (2, 3, 0, 1)),),
    layers.BatchNormalization: tuple(
        (name, (0,)) for name in ("weight", "bias", "running_mean", "running_var")
    ),
}
_UNUSED = ("num_batches_tracked", "_fc.weight", "_fc.bias")


def features(colour: Any, network: Lite) -> Any:
    """Return the network's last maps: (N, H / 32, W / 32, 1280), rounded up.

    Args:
        colour: Standardised RGB, a Keras tensor (N, H, W, 3).
        network: Its name.
    """
    x = _convolved(colour, _STEM, kernel=3, stride=2, name="stem")
    for number, (stage, first) in enumerate(_blocks(network)):
        x = _block(x, stage, stage.stride if first else 1, f"block{number}")
    return _convolved(x, _HEAD, name="head")


def load(model: Any, tensors: Tensors, name: str) -> None:
    """Set the weights of the layers of `features` in a model to those of a checkpoint.

    Args:
        model: A `keras.Model`; its other layers stay as they are.
        tensors: Of the checkpoint, by their names in PyTorch.
        name: What to call it in an error.

    Raises:
        InputError: A tensor is missing, has another shape, or is of no layer.
    """
    used = set()
    for layer in model.layers:
        if (source := _source(layer.name)) is None:
            continue
        arrays = []
        for part, axes in _ARRAYS[type(layer)]:
            key = f"{source}.{part}"
            arrays.append(np.transpose(tensors[key], axes) if key in tensors else np.zeros(0))
            used.add(key)
        expected = [tuple(weight.shape) for weight in layer.weights]
        received = [array.shape for array in arrays]
        if received != expected:
            raise InputError(
                f"{name}: expected arrays {expected} for the layer {layer.name}, received "
                f"{received}; they are of another network"
            )
        layer.set_weights(arrays)
    unknown = sorted(key for key in set(tensors) - used if not key.endswith(_UNUSED))
    if unknown:
        raise InputError(f"{name}: expected tensors of this network alone, received {unknown[:5]}")


def _blocks(network: Lite) -> Iterator[tuple[_Stage, bool]]:
    """Yield each block's stage, scaled, and whether it is the first one of it."""
    scale = _SCALES[network]
    for stage in _STAGES:
        ends = stage in (_STAGES[0], _STAGES[-1])
        repeats = stage.repeats if ends else math.ceil(scale.depth * stage.repeats)
        scaled = stage._replace(width=_rounded(stage.width * scale.width))
        for number in range(repeats):
            yield scaled, number == 0


def _rounded(width: float) -> int:
    """Round to a multiple of 8, down by a tenth at most."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width else rounded + 8


def _block(x: Any, stage: _Stage, stride: int, name: str) -> Any:
    """An inverted residual block: wider, one filter a channel, narrower."""
    branch = x
    if stage.expansion > 1:
        branch = _convolved(branch, x.shape[-1] * stage.expansion, name=f"{name}_expand")
    branch = layers.DepthwiseConv2D(
        stage.kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_initializer(),
        name=f"{name}_depthwise_conv",
    )(branch)
    branch = _normalised(branch, f"{name}_depthwise")
    branch = _convolved(branch, stage.width, relu=False, name=f"{name}_project")
    if stride > 1 or x.shape[-1] != stage.width:
        return branch
    return layers.Add(name=f"{name}_add")([x, branch])


def _convolved(
    x: Any, width: int, *, kernel: int = 1, stride: int = 1, relu: bool = True, name: str
) -> Any:
    convolution = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_initializer(),
        name=f"{name}_conv",
    )
    return _normalised(convolution(x), name, relu=relu)


def _normalised(x: Any, name: str, *, relu: bool = True) -> Any:
    # Among several replicas, statistics are those of the whole batch, as in the compact network.
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    x = layers.BatchNormalization(
        momentum=0.99, epsilon=1e-3, synchronized=several, name=f"{name}_norm"
    )(x)
    return layers.ReLU(max_value=6, name=f"{name}_relu6")(x) if relu else x


def _initializer() -> Any:
    """The one of the original, for a start without published weights."""
    return initializers.VarianceScaling(2.0, "fan_out")


_IN_BLOCKS = {
    "expand_conv": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project_conv": "_project_conv",
    "project_norm": "_bn2",
}
_AT_ENDS = {
    "stem_conv": "_conv_stem",
    "stem_norm": "_bn0",
    "head_conv": "_conv_head",
    "head_norm": "_bn1",
}


def _source(layer: str) -> str | None:
    """What the checkpoint calls a layer; None where it has no weights there."""
    block, _, part = layer.partition("_")
    if block.startswith("block") and part in _IN_BLOCKS:
        return f"_blocks.{block.removeprefix('block')}.{_IN_BLOCKS[part]}"
    return _AT_ENDS.get(layer)
