"""Networks that others have designed, and published weights for: a grey image in, a logit out.

They were trained on colour, so each gets the grey pixels three times, standardised as it expects.
"""

from typing import Any

import keras
from keras import layers

from stages.engine.errors import InputError
from stages.engine.root import from_root
from stages.network import efficientnet_lite
from stages.network.options import IMAGENET, LITE, TrainOptions
from stages.network.pretrained import origin, packages

# Channel means and variances that each family was trained with, on 0-255 RGB, and on
# scaled pixels for "tf"; the families not named here carry their preprocessing inside.
_CAFFE = ([103.939, 116.779, 123.68], [1.0, 1.0, 1.0])
_TORCH = ([123.675, 116.28, 103.53], [58.395**2, 57.12**2, 57.375**2])
_TF = ([127.5] * 3, [127.5**2] * 3)
_STATISTICS = {
    "DenseNet": _TORCH,
    "VGG": _CAFFE,
    "ResNet50V2": _TF,
    "ResNet101V2": _TF,
    "ResNet": _CAFFE,
    "InceptionV3": _TF,
    "Xception": _TF,
    "MobileNetV3": None,
    "MobileNet": _TF,
    "EfficientNetLite": (efficientnet_lite.MEAN, efficientnet_lite.VARIANCE),
}


def build(options: TrainOptions) -> Any:
    """Build a network of `options.LITE` or `options.BACKBONES` with a new head.

    Returns:
        A `keras.Model` as `model.build` returns it.

    Raises:
        InputError: Its weights can't be loaded, or their package is not installed.
    """
    name = options.network
    pixels = keras.Input((None, None, 1), name="pixels")
    colour = layers.Concatenate(name="grey_to_rgb")([pixels, pixels, pixels])
    statistics = next((s for family, s in _STATISTICS.items() if name.startswith(family)), None)
    if statistics is not None:
        mean, variance = statistics
        colour = layers.Normalization(mean=mean, variance=variance, name="standardise")(colour)
    # Built on our own input, its layers are this model's layers: saliency can look into them.
    maps = efficientnet_lite.features(colour, name) if name in LITE else _of_keras(options, colour)
    pooled = layers.GlobalAveragePooling2D(name="pool")(maps)
    logit = layers.Dense(1, dtype="float32", name="logit")(pooled)
    model = keras.Model(pixels, logit, name=name.lower())
    if name in LITE and options.weights == IMAGENET:
        package = origin.PACKAGES[name]
        efficientnet_lite.load(model, packages.read_weights(package), package.file)
    return model


def _of_keras(options: TrainOptions, colour: Any) -> Any:
    """Return the last maps of a `keras.applications` network."""
    weights = None if options.starts_from_model else options.weights
    if weights is not None and options.weights_file is not None:
        file = from_root(options.weights_file)
        if not file.is_file():
            raise InputError(
                f"params.yaml: train.weights: expected a weights file, received {weights!r}, "
                "which is no file; give its path, 'imagenet' or null"
            )
        weights = str(file)
    make = getattr(keras.applications, options.network)
    try:
        return make(include_top=False, weights=weights, input_tensor=colour).output
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"params.yaml: train.weights: expected weights of {options.network} without its top, "
            f"received {weights!r}, which could not be loaded: {error}"
        ) from error
