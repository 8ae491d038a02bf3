"""The keys of those who may ask the service: made, listed and revoked in one file.

A key has 256 random bits and is printed once. The file has its SHA-256. A slow hash, as passwords
need, would protect against guessing; nobody guesses 256 bits, and it would cost each request 100 ms
of a processor.
"""

import datetime
import hmac
import json
import re
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError, NotFound
from stages.engine.files import canonical_json, sha256_bytes
from stages.engine.locks import locked
from stages.serving.access.private_file import read_private, write_private

KEYS_VARIABLE = "PNEUMONIA_KEYS"
"""Environment variable with the path of the file, for `keys` and `serve`."""

IMAGES, METRICS = "images", "metrics"
SCOPES = (IMAGES, METRICS)
"""What a key may be for: asking about images, or reading figures of the service."""

PREFIX = "pneumonia_"
"""Begins each key, so that scanners for secrets find one that was published."""

LONGEST_KEY = 100
"""Characters; what is longer is no key."""

_FORMAT = 1
_KEY_BYTES = 32
_LARGEST_FILE = 2**20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ADD = "`pneumonia keys add NAME --scope images --keys {path}` makes one"


@dataclass(frozen=True)
class AccessKey:
    """What the file has of a key.

    Attributes:
        name: Who or what has it; goes into the answer log.
        scopes: Of SCOPES.
        sha256: Hex digest of the key; None after it was revoked.
        made: When, in UTC.
        revoked: When, in UTC; None while it is valid. Its name is not given again, so that a name
            in the answer log means one holder.
    """

    name: str
    scopes: tuple[str, ...]
    sha256: str | None
    made: str
    revoked: str | None = None


def add(path: Path, name: str, scopes: Collection[str]) -> str:
    """Make a key, add it to the file, which is created if it is not there, and return it.

    Raises:
        InputError: The name is none or is taken, a scope is unknown, or the file is not private.
    """
    _check_name(name)
    if not scopes or not {*scopes} <= {*SCOPES}:
        unknown = ", ".join(sorted({*scopes} - {*SCOPES})) or "none"
        raise InputError(f"--scope: expected some of {','.join(SCOPES)}, received {unknown}")
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    with locked(_lock(path)):
        keys = read_keys(path) if path.exists() else ()
        if taken := [each for each in keys if each.name == name]:
            state = f"one revoked {taken[0].revoked}" if taken[0].revoked else "a valid one"
            raise InputError(
                f"{path}: expected a name that no key has had, received {name}, which is that of "
                f"{state}; give another, so that a name in the answer log means one holder"
            )
        ordered = tuple(scope for scope in SCOPES if scope in scopes)
        _write(path, (*keys, AccessKey(name, ordered, digest_of(key), _now())))
    return key


def revoke(path: Path, name: str) -> None:
    """Make a key invalid; a running service sees it at the next request.

    Raises:
        NotFound: There is no valid key of that name.
    """
    with locked(_lock(path)):
        keys = read_keys(path)
        valid = [each.name for each in keys if each.sha256]
        if name not in valid:
            raise NotFound(
                f"{path}: expected the name of a valid key ({', '.join(valid) or 'none is'}), "
                f"received {name!r}"
            )
        _write(
            path,
            tuple(
                replace(each, sha256=None, revoked=_now()) if each.name == name else each
                for each in keys
            ),
        )


def read_keys(path: Path) -> tuple[AccessKey, ...]:
    """Return all keys of a file, revoked ones too, in the order in which they were made.

    Raises:
        NotFound: There is no such file.
        InputError: It is not private, or has another content.
    """
    remedy = _ADD.format(path=path)
    text = read_private(path, "a file of keys", at_most=_LARGEST_FILE, remedy=remedy)
    try:
        value = json.loads(text)
        if value["format"] != _FORMAT:
            raise ValueError
        keys = tuple(_key(entry) for entry in value["keys"])
        if len({each.name for each in keys}) != len(keys):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError(
            f"{path}: expected a file of keys as `pneumonia keys add` writes it, found something "
            "else; restore it from a copy, or give a new file and make new keys"
        ) from None
    return keys


def find(keys: Collection[AccessKey], presented: str) -> AccessKey | None:
    """Return the valid key of which `presented` is the text; None for none.

    All are compared, each in constant time, so that the time says nothing about the keys.
    """
    digest = digest_of(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256 or "", digest):
            found = key
    return found


def digest_of(key: str) -> str:
    """Return the hex digest by which a key is known."""
    return sha256_bytes(key.encode("utf-8", "surrogatepass"))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            "keys: expected a name of 1 to 64 small letters, digits, dots, hyphens and "
            f"underscores, such as ward-3, received {name!r}; it goes into the answer log, so name "
            "a place or a program, not a person"
        )


def _key(entry: dict[str, Any]) -> AccessKey:
    key = AccessKey(**{**entry, "scopes": tuple(entry["scopes"])})
    valid = key.sha256 is not None
    if (
        not _NAME.fullmatch(key.name)
        or not {*key.scopes} <= {*SCOPES}
        or valid == (key.revoked is not None)
        or (key.sha256 is not None and not _DIGEST.fullmatch(key.sha256))
        or not isinstance(key.made, str)
    ):
        raise ValueError
    return key


def _write(path: Path, keys: Collection[AccessKey]) -> None:
    value = {"format": _FORMAT, "keys": [asdict(key) for key in keys]}
    write_private(path, canonical_json(value).encode())


def _lock(path: Path) -> Path:
    if not path.parent.is_dir():
        raise NotFound(f"{path}: expected an existing folder to write to, found none")
    return path.with_name(f".{path.name}.lock")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
