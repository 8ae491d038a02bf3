"""Signatures of released versions: Ed25519, over the bytes of package.json.

package.json lists the SHA-256 of every other file of a version, so a signature of it covers them
all. The private key signs and stays with whoever releases; the public key is in the repository
(`register.public_key`) or beside a service (PNEUMONIA_PUBLIC_KEY), and can only verify. What it
verifies was signed by the holder of the private key; whether the model is good, or is still the
one to use, is not in a signature.

Why not the package model_signing, which signs models for Sigstore: it brings 15 packages and hashes
the files once more, while the digests are in package.json already and `cryptography` comes with
MLflow. `openssl pkeyutl -verify -rawin` checks the same signature.
"""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.engine.errors import InputError, NotFound
from stages.engine.files import canonical_json, sha256_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE = "signature.json"
"""Its name in a version: the one file that package.json does not list."""

FORMAT = 1
"""Of signature.json."""

ALGORITHM = "Ed25519"
_END = b"-----END PUBLIC KEY-----"
_MAX_BYTES = 2**16
_SIGN = "`pneumonia model sign VERSION --key PRIVATE`"


class UntrustedVersionError(InputError):
    """A version is not signed, or not by a key that is trusted here."""


def sign(package_json: bytes, key: "Ed25519PrivateKey") -> bytes:
    """Return the content of signature.json for the bytes of package.json."""
    content = {
        "format": FORMAT,
        "algorithm": ALGORITHM,
        "key": fingerprint(key.public_key()),
        "package": sha256_bytes(package_json),
        "signature": base64.b64encode(key.sign(package_json)).decode("ascii"),
    }
    return canonical_json(content).encode()


def verify(package_json: bytes, signature_json: bytes | None, public_key: Path) -> str:
    """Return the fingerprint of the key that signed a package.

    Args:
        package_json: The bytes of package.json.
        signature_json: The bytes of signature.json; None if the version has none.
        public_key: File with the trusted public keys, PEM.

    Raises:
        UntrustedVersionError: The package is not signed, was changed after that, or was signed by
            another key.
        InputError: `public_key` holds no Ed25519 public key.
    """
    from cryptography.exceptions import InvalidSignature

    trusted = {fingerprint(key): key for key in read_public_keys(public_key)}
    if signature_json is None:
        raise UntrustedVersionError(
            f"{SIGNATURE}: expected a signature by a key of {public_key}, found none; whoever has "
            f"the private key signs the version with {_SIGN}"
        )
    content, package = _parse(signature_json), sha256_bytes(package_json)
    if content["package"] != package:
        raise UntrustedVersionError(
            f"{SIGNATURE}: expected the signature of the package {package[:12]}, found "
            f"that of {content['package'][:12]}: the version was changed after it was signed"
        )
    key = trusted.get(content["key"])
    if key is None:
        known = ", ".join(name[:12] for name in trusted)
        raise UntrustedVersionError(
            f"{SIGNATURE}: expected a signature by a key of {public_key} ({known}), found one by "
            f"the key {content['key'][:12]}; if that key is to be trusted, add it to the file"
        )
    try:
        key.verify(base64.b64decode(content["signature"], validate=True), package_json)
    except (InvalidSignature, ValueError):
        raise UntrustedVersionError(
            f"{SIGNATURE}: expected a signature by the key {content['key'][:12]}, found other "
            f"bytes in its place; sign the version again with {_SIGN}"
        ) from None
    return content["key"]


def fingerprint(key: "Ed25519PublicKey") -> str:
    """Return the SHA-256 of a public key as DER (SubjectPublicKeyInfo), in hex.

    `openssl pkey -pubin -in KEY.pub -outform DER | sha256sum` prints the same.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256_bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def read_public_keys(path: Path) -> "list[Ed25519PublicKey]":
    """Return the public keys in a PEM file; several where a key is being replaced by another.

    Raises:
        InputError: The file is missing, or holds anything but Ed25519 public keys.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    blocks = _public_blocks(read_key_file(path, "an Ed25519 public key"), path)
    keys = []
    for block in blocks:
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm):
            raise InputError(
                f"{path}: expected an Ed25519 public key in PEM, found a damaged one; "
                "get the file again from whoever has the private key"
            ) from None
        if not isinstance(key, Ed25519PublicKey):
            raise InputError(
                f"{path}: expected an Ed25519 public key, found one of another kind "
                f"({type(key).__name__}); `pneumonia model key PATH` makes a pair"
            )
        keys.append(key)
    return keys


def read_key_file(path: Path, expected: str) -> bytes:
    """Return the bytes of a key's file.

    Args:
        path: The file.
        expected: What it should hold, for messages.

    Raises:
        InputError: There is no such file, or it is too long for a key.
    """
    if not path.exists():
        raise NotFound(
            f"{path}: expected {expected}, found no file; `pneumonia model key PATH` makes a pair"
        )
    if not path.is_file():
        raise InputError(f"{path}: expected a file with {expected}, found a folder or device")
    with path.open("rb") as handle:
        data = handle.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path}: expected {expected}, found more than {_MAX_BYTES:,} bytes")
    return data


def _public_blocks(text: bytes, path: Path) -> list[bytes]:
    """Return the PEM blocks of public keys in a file.

    Raises:
        InputError: It holds a private key, no public key, or something behind the last one.
    """
    if b"PRIVATE KEY-----" in text:
        raise InputError(
            f"{path}: expected a public key, found a private one, which must not lie in a "
            "repository or beside a service; give the file that ends in .pub, and replace the key "
            "if others could read it"
        )
    *blocks, rest = text.split(_END)
    if not blocks or rest.strip():
        raise InputError(
            f"{path}: expected an Ed25519 public key in PEM, found something else; give the file "
            "ending in .pub that `pneumonia model key PATH` wrote"
        )
    return [block.lstrip() + _END + b"\n" for block in blocks]


def _parse(signature_json: bytes) -> dict[str, str]:
    """Return the texts in signature.json.

    Raises:
        UntrustedVersionError: It is no such file.
    """
    try:
        content: Any = json.loads(signature_json)
        texts = {key: str(content[key]) for key in ("algorithm", "key", "package", "signature")}
        known = content["format"] == FORMAT and texts["algorithm"] == ALGORITHM
    except (ValueError, RecursionError, TypeError, KeyError):
        known = False
    if not known:
        raise UntrustedVersionError(
            f"{SIGNATURE}: expected a signature of format {FORMAT} by {ALGORITHM}, found something "
            f"else; sign the version again with {_SIGN}"
        )
    return texts
