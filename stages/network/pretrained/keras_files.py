"""The files of published weights that Keras downloads, and keeps in the user's folder for it."""

import os
import socket
from pathlib import Path

from stages.engine.errors import InputError

NAMES: dict[str, str] = {
    "ConvNeXtTiny": "convnext_tiny_notop.h5",
    "ConvNeXtSmall": "convnext_small_notop.h5",
    "ConvNeXtBase": "convnext_base_notop.h5",
    "DenseNet121": "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "DenseNet169": "densenet169_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "DenseNet201": "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "EfficientNetB0": "efficientnetb0_notop.h5",
    "EfficientNetB1": "efficientnetb1_notop.h5",
    "EfficientNetB2": "efficientnetb2_notop.h5",
    "EfficientNetB3": "efficientnetb3_notop.h5",
    "EfficientNetV2B0": "efficientnetv2-b0_notop.h5",
    "EfficientNetV2B1": "efficientnetv2-b1_notop.h5",
    "EfficientNetV2B2": "efficientnetv2-b2_notop.h5",
    "EfficientNetV2B3": "efficientnetv2-b3_notop.h5",
    "EfficientNetV2S": "efficientnetv2-s_notop.h5",
    "InceptionV3": "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "MobileNet": "mobilenet_1_0_224_tf_no_top.h5",
    "MobileNetV2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    "MobileNetV3Small": "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    "MobileNetV3Large": "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    "ResNet50": "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "ResNet101": "resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "ResNet50V2": "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "ResNet101V2": "resnet101v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "VGG16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "VGG19": "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "Xception": "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
}
"""By network: what Keras calls the file without the classifier. A test compares it with Keras."""


SILENCE_S = 60.0
"""How long a download may stay without a byte."""


def path_of(network: str) -> Path:
    """Return where Keras keeps the file of a backbone, whether or not it is there yet."""
    user = Path("~").expanduser()
    default = (user if os.access(user, os.W_OK) else Path("/tmp")) / ".keras"
    return Path(os.environ.get("KERAS_HOME", default)) / "models" / NAMES[network]


def download(network: str) -> None:
    """Have Keras download a backbone's file, as it does when it builds the network.

    Raises:
        InputError: It can't be downloaded, or what came is no file of weights; nothing is left.
    """
    import keras

    path = path_of(network)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_S)  # Keras itself would wait forever
    try:
        make = getattr(keras.applications, network)
        make(include_top=False, weights="imagenet", input_shape=(224, 224, 3))
        require_complete(network)
    except Exception as error:  # noqa: BLE001 - Keras raises a bare Exception without a network
        path.unlink(missing_ok=True)  # such as a login page: Keras would read it the next time
        raise InputError(
            f"train.weights: expected a download of {path.name} by Keras, received an error "
            f"({error}); without a network, fetch that address elsewhere and put the file at "
            f"{path}, or start from an EfficientNetLite, whose weights come as a package "
            "(`pneumonia preset pretrained`)"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def require_complete(network: str) -> None:
    """Raise where the file at `path_of` is no whole HDF5 file.

    Keras writes to that very place while it downloads, so a process that is killed leaves a part.

    Raises:
        InputError: It is cut short, or another kind of file.
    """
    import h5py  # type: ignore[import-untyped]

    path = path_of(network)
    try:
        h5py.File(path, "r").close()
    except OSError as error:
        raise InputError(
            f"train.weights: {path}: expected a whole file of weights (HDF5), found another "
            f"({error}), as an interrupted download leaves; delete it and run this again"
        ) from None
