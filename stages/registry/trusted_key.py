"""Which public keys are trusted here: those of `register.public_key`, or of PNEUMONIA_PUBLIC_KEY.

The param holds where params.yaml is at hand. The environment variable is for places without it,
such as `mlflow models serve`. Where both are given they must be the same keys: neither place can
weaken what the other requires.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stages.engine.errors import InputError
from stages.engine.root import from_root
from stages.registry.signature import fingerprint, read_public_keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

VARIABLE = "PNEUMONIA_PUBLIC_KEY"
PARAM = "register.public_key"


def trusted_key(named: str | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of public keys that versions must be signed by; None: by no key.

    Args:
        named: Param `register.public_key`, relative to the repository's root.
        environment: Environment variables.

    Raises:
        InputError: A file is missing or holds no Ed25519 public key, or the two places differ.
    """
    places: dict[str, Path] = {}
    if named is not None:
        places[PARAM] = from_root(named)
    if VARIABLE in environment:
        places[VARIABLE] = _of_variable(environment[VARIABLE])
    keys = {place: {*map(fingerprint, _read(place, path))} for place, path in places.items()}
    if len(keys) == 2 and keys[PARAM] != keys[VARIABLE]:
        raise InputError(
            f"{VARIABLE}: expected the keys of {PARAM} ({places[PARAM]}), received other ones "
            f"({places[VARIABLE]}); unset it, or give both the same file"
        )
    return next(iter(places.values()), None)


def _of_variable(value: str) -> Path:
    if not value:
        # Not the same as unset: an empty value of a script must not switch the check off.
        raise InputError(
            f"{VARIABLE}: expected the path of an Ed25519 public key, received an empty text; "
            "unset it to require no signature"
        )
    return Path(value).expanduser()


def _read(place: str, path: Path) -> "list[Ed25519PublicKey]":
    try:
        return read_public_keys(path)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
