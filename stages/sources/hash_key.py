"""The secret key that replaces names of images and patients by hashes.

A hash without a key is undone by hashing all likely names. With a key, a name depends on nothing
but the key and what it replaces, so it stays when an archive grows; and nobody without the key can
undo it. Who has the key makes the same names again.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from stages.engine import key_file
from stages.engine.errors import InputError, InvalidSettings, NotFound
from stages.engine.root import from_root

MIN_BYTES = 32
_MAX_BYTES = 2**16
_MIN_DIFFERENT_BYTES = 8  # 32 random ones have about 30
# 80 bits: among a million names, two are equal with a probability of 4e-13.
_DIGITS = 20
_MAKE_ONE = "make a key with `pneumonia data key PATH`"


@dataclass(frozen=True)
class HashKey:
    """A key, and the names that it makes."""

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Hex digest by which a changed key is noticed.

        It is public, so it must not be SHA-256 of the key: HMAC takes that instead of a long key.
        """
        return self._digest("fingerprint", "")

    def name(self, kind: str, text: str) -> str:
        """Return 20 hex digits in place of `text`; equal texts of two kinds differ.

        Args:
            kind: Such as "patient".
            text: An id or a path, in its one spelling.
        """
        return self._digest(kind, text)[:_DIGITS]

    def _digest(self, kind: str, text: str) -> str:
        return hmac.new(self.secret, f"{kind}\0{text}".encode(), hashlib.sha256).hexdigest()


def path_of(hash_names: bool | str) -> str | None:
    """Return the path of the key that fetch.hash_names gives, None if names stay.

    Raises:
        InvalidSettings: It is `true`, which meant hashes without a key in earlier versions.
    """
    if hash_names is True:
        raise InvalidSettings(
            "fetch.hash_names: expected false or the path of a key, received true: names without a "
            f"key changed as the archive grew; {_MAKE_ONE}, outside the repository, and give that "
            "PATH instead of true. All names will be new ones, which stay then"
        )
    return hash_names or None


def of_params(hash_names: bool | str) -> HashKey | None:
    """Return the key that fetch.hash_names gives, None if names stay; errors of the two others."""
    path = path_of(hash_names)
    return None if path is None else read(from_root(path))


def read(path: Path) -> HashKey:
    """Return the key in the file at `path`; its bytes count as they are.

    Raises:
        InputError: The file is missing, or is none that can keep names secret.
    """
    if not path.exists():
        raise NotFound(
            f"fetch.hash_names: expected a key, found no file at {path}; get the file from those "
            f"who have it, which makes the same names again, or {_MAKE_ONE}"
        )
    if not path.is_file():
        received = "a folder" if path.is_dir() else "a device or pipe"
        raise InputError(f"{path}: expected a file with a key, received {received}; {_MAKE_ONE}")
    if key_file.is_open_to_all(path):
        raise InputError(
            f"{path}: expected a key that only its owner and group can read, received one that "
            f"every user of this machine may use; run `chmod 600 {path}`"
        )
    with path.open("rb") as handle:
        secret = handle.read(_MAX_BYTES + 1)
    if not MIN_BYTES <= len(secret) <= _MAX_BYTES or len({*secret}) < _MIN_DIFFERENT_BYTES:
        problem = f"{len(secret)} bytes" if len(secret) <= _MAX_BYTES else "more"
        raise InputError(
            f"{path}: expected a key of {MIN_BYTES} to {_MAX_BYTES:,} random bytes, received "
            f"{problem}, of which {len({*secret})} differ: it could be guessed; {_MAKE_ONE}"
        )
    return HashKey(secret)


def make(path: Path) -> None:
    """Write a new key to a new file that only its owner can read.

    Raises:
        InputError: There is a file already, or no such folder.
    """
    key_file.write_new(path, secrets.token_bytes(MIN_BYTES), secret=True)
