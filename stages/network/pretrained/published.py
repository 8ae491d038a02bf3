"""The published weights that `train.weights: imagenet` stands for, as a file with a checksum."""

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.network.options import IMAGENET, LITE, TrainOptions
from stages.network.pretrained import keras_files, packages
from stages.network.pretrained.origin import PACKAGES


def sha256(options: TrainOptions) -> str | None:
    """Return the checksum of the weights; None where Keras has not downloaded them.

    That of a package is known without it. None as well where `options` name no published weights.
    """
    if options.weights != IMAGENET:
        return None
    if options.network in LITE:
        return PACKAGES[options.network].sha256
    path = keras_files.path_of(options.network)
    return sha256_file(path) if path.is_file() else None


def prepare(options: TrainOptions, recorded: str | None) -> None:
    """Make sure that a training can read the weights, before any other work.

    Where they have been read before and nothing is to be trained, as in a clone that pulled every
    file, they need not be here.

    Args:
        options: The section train of params.
        recorded: The checksum of the weights in data/inputs.json.

    Raises:
        InputError: The package is not installed, or the file can't be downloaded or is damaged.
    """
    if options.weights != IMAGENET:
        return
    if options.network in LITE:
        package = PACKAGES[options.network]
        if package.sha256 != recorded:
            packages.read(package)
    elif keras_files.path_of(options.network).is_file():
        keras_files.require_complete(options.network)
    else:
        try:
            keras_files.download(options.network)
        except InputError:
            if recorded is None:
                raise


def require(options: TrainOptions, recorded: str | None, record: str) -> None:
    """Raise InputError where the weights at hand are not those on record.

    Args:
        options: The section train of params.
        recorded: The checksum of the weights in data/inputs.json.
        record: What to call that file in an error.
    """
    if options.weights != IMAGENET:
        return
    if options.network in LITE:
        packages.read(PACKAGES[options.network])
    found = sha256(options)
    if found is None or found != recorded:
        raise InputError(
            f"train.weights: expected the published weights of {options.network} that {record} "
            f"records ({recorded or 'none'}), found {found or 'none'}; run the whole `dvc repro`"
        )
