"""The networks: grey pixels in, the logit of pneumonia out.

Each takes pixels (N, H, W, 1), 0 to 255, as the shards hold them, and standardises them inside, so
a saved file needs no other.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from stages.engine.errors import InputError
from stages.network import backbones, portable_ops, warm_start
from stages.network.options import TrainOptions

_NOTEBOOK_LEAST_PX = 46
"""Side of the smallest image of which four convolutions and poolings leave one cell."""


def build(options: TrainOptions, image_px: int) -> Any:
    """Build a new network with weights that `options.seed` decides.

    Args:
        options: The section train of params.
        image_px: Side of the stored images, pixels. The network "seed" takes this size only, the
            others any size from 32.

    Returns:
        A `keras.Model` from pixels (N, H, W, 1), 0 to 255, to logits, float32 (N, 1).

    Raises:
        InputError: The network does not take these sizes, or its weights can't be loaded.
    """
    portable_ops.install()
    keras.utils.set_random_seed(options.seed)
    model = _random_or_published(options, image_px)
    if options.starts_from_model:
        warm_start.load(model, options)
    return model


def _random_or_published(options: TrainOptions, image_px: int) -> Any:
    if options.network == "compact":
        return _compact(options.widths, options.blocks)
    if options.network == "seed":
        if options.crop_px != image_px or image_px < _NOTEBOOK_LEAST_PX:
            raise InputError(
                "params.yaml: train.crop_px: expected preprocess.image_px, of at least "
                f"{_NOTEBOOK_LEAST_PX}, for the network 'seed', which takes one size of image; "
                f"received {options.crop_px} and {image_px}"
            )
        return _notebook(image_px)
    return backbones.build(options)


def _standardised(pixels: Any) -> Any:
    # One group over one channel is the image's own mean and deviation, so exposure and contrast
    # of a site do not reach the network (Wu & He 2018, "Group Normalization", arXiv:1803.08494).
    scaled = layers.Rescaling(1 / 255, name="unit_range")(pixels)
    return layers.GroupNormalization(
        groups=1, center=False, scale=False, epsilon=1e-4, name="standardise"
    )(scaled)


def _compact(widths: tuple[int, ...], blocks: int) -> Any:
    """A small residual network whose stem and stages halve the side.

    Shortcuts halve by average pooling: ResNet-D of He et al. 2019, "Bag of Tricks for Image
    Classification", arXiv:1812.01187.
    """
    pixels = keras.Input((None, None, 1), name="pixels")
    features = _conv(_standardised(pixels), widths[0], stride=2, name="stem")
    features = layers.ReLU(name="stem_relu")(features)
    for stage, width in enumerate(widths, start=1):
        for block in range(1, blocks + 1):
            stride = 2 if block == 1 else 1
            features = _residual(features, width, stride, name=f"stage{stage}_block{block}")
    pooled = layers.GlobalAveragePooling2D(name="pool")(features)
    logit = layers.Dense(1, dtype="float32", name="logit")(pooled)
    return keras.Model(pixels, logit, name="compact")


def _residual(features: Any, width: int, stride: int, name: str) -> Any:
    branch = _conv(features, width, stride=stride, name=f"{name}_a")
    branch = layers.ReLU(name=f"{name}_a_relu")(branch)
    branch = _conv(branch, width, name=f"{name}_b")
    if stride > 1:
        features = layers.AveragePooling2D(2, padding="same", name=f"{name}_halve")(features)
    if features.shape[-1] != width:
        features = _conv(features, width, kernel=1, name=f"{name}_widen")
    total = layers.Add(name=f"{name}_add")([features, branch])
    return layers.ReLU(name=f"{name}_relu")(total)


def _conv(features: Any, width: int, *, stride: int = 1, kernel: int = 3, name: str) -> Any:
    convolution = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )
    # Among several replicas, statistics are those of the whole batch: the same numbers as in one
    # process, and the same in every worker, whose early stopping must agree.
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    normalization = layers.BatchNormalization(
        momentum=0.97, synchronized=several, name=f"{name}_norm"
    )
    return normalization(convolution(features))


def _notebook(image_px: int) -> Any:
    """The network of the notebook: plain convolutions and a wide dense layer."""
    pixels = keras.Input((image_px, image_px, 1), name="pixels")
    features = layers.Rescaling(1 / 255, name="unit_range")(pixels)
    for number, width in enumerate((32, 64, 128, 128), start=1):
        features = layers.Conv2D(width, 3, activation="relu", name=f"conv{number}")(features)
        features = layers.MaxPooling2D(2, name=f"pool{number}")(features)
    features = layers.Flatten(name="flatten")(features)
    features = layers.Dropout(0.5, name="dropout")(features)
    features = layers.Dense(512, activation="relu", name="dense")(features)
    logit = layers.Dense(1, dtype="float32", name="logit")(features)
    return keras.Model(pixels, logit, name="seed")
