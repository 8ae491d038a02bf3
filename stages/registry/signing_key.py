"""The private key that signs versions: made once, read where a version is signed.

A passphrase comes from the environment (PNEUMONIA_KEY_PASSPHRASE), never as an argument, which
every user of the machine could read in `ps`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stages.engine import key_file
from stages.engine.errors import InputError
from stages.registry.signature import fingerprint, read_key_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE = "PNEUMONIA_KEY_PASSPHRASE"
"""Environment variable with the passphrase of the private key."""


def public_path(private_key: Path) -> Path:
    """Return where the public key of a new pair is written: beside the private one, as NAME.pub."""
    return private_key.with_name(f"{private_key.name}.pub")


def create(path: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Write a new pair, the private key readable by its owner only, and return its fingerprint.

    Args:
        path: File of the private key; the public one is written beside it.
        environment: May hold the passphrase to encrypt the private key with.

    Raises:
        InputError: One of the files exists already, or there is no such folder.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    passphrase = environment.get(PASSPHRASE, "").encode()
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key_file.write_new(public_path(path), public, secret=False)
    try:
        key_file.write_new(path, private, secret=True)
    except (InputError, OSError):
        public_path(path).unlink()
        raise
    return fingerprint(key.public_key())


def read(path: Path, environment: Mapping[str, str] = os.environ) -> "Ed25519PrivateKey":
    """Return the private key in a PEM file.

    Args:
        path: The file.
        environment: Holds the passphrase of an encrypted key.

    Raises:
        InputError: It is missing, readable by all, no Ed25519 private key, or its passphrase is
            missing or wrong.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = read_key_file(path, "an Ed25519 private key")
    if key_file.is_open_to_all(path):
        raise InputError(
            f"{path}: expected a private key that only its owner can read, found one that every "
            f"user of this machine may use; run `chmod 600 {path}`, or make another key"
        )
    if b"PUBLIC KEY-----" in text:
        raise InputError(
            f"{path}: expected a private key, found a public one, which can't sign; give the file "
            "without .pub"
        )
    encrypted = b"ENCRYPTED PRIVATE KEY-----" in text
    passphrase = environment.get(PASSPHRASE, "").encode() if encrypted else None
    if passphrase == b"":
        raise InputError(
            f"{path}: expected the passphrase of this private key in {PASSPHRASE}, found none; "
            f"set it without leaving it in the shell's history (`read -rs {PASSPHRASE}; export "
            f"{PASSPHRASE}`)"
        )
    try:
        key = load_pem_private_key(text, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        found = f"a damaged one, or a wrong passphrase in {PASSPHRASE}" if encrypted else "another"
        raise InputError(
            f"{path}: expected an Ed25519 private key in PEM, found {found}; "
            "`pneumonia model key PATH` makes one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"{path}: expected an Ed25519 private key, found one of another kind "
            f"({type(key).__name__}); `pneumonia model key PATH` makes one"
        )
    return key
