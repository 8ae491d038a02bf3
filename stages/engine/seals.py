"""Digests beside files, so that a file which changed after it was made is refused where it is read.

A seal is a JSON file, written last, that names files by their paths from its own folder and holds
their SHA-256. It guards against damage and against hands; it is no signature.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, sha256_file, write_json

SEAL = "seal.json"
_AGAIN = "run `dvc repro`, or `dvc checkout --force` where it was right before"


def own_digest(facts: dict[str, Any]) -> str:
    """The digest that a JSON file holds of its other content under the key "digest"."""
    return digest({key: value for key, value in facts.items() if key != "digest"})


def read_named(path: Path) -> dict[str, Any]:
    """A JSON file that holds its own digest.

    Raises InputError where it is missing, or its content is not what the digest says.
    """
    facts = read_json(path)
    try:
        right = isinstance(facts, dict) and own_digest(facts) == facts.get("digest")
    except ValueError:  # a NaN, which has no digest
        right = False
    if not right:
        raise InputError(f"{path}: its digest is not that of its content; {_AGAIN}")
    named: dict[str, Any] = facts
    return named


def write(folder: Path, files: Iterable[Path], **made: str) -> None:
    """Seal `files` in `folder`; they may lie elsewhere. made: how they came to be, sealed too."""
    named = {_name(path, folder): sha256_file(path) for path in files}
    facts: dict[str, Any] = {"files": named, "made": made}
    write_json(folder / SEAL, {**facts, "digest": own_digest(facts)})


def check(folder: Path) -> None:
    """Raises InputError, by name, where the folder is not sealed or a sealed file has changed."""
    if not (folder / SEAL).is_file():
        raise InputError(f"{folder}: expected {SEAL}, found none: it is unfinished; {_AGAIN}")
    for name in _sealed(folder):
        check_one(Path(os.path.normpath(folder / name)), folder)


def check_one(path: Path, folder: Path | None = None) -> None:
    """Raises InputError where a seal in `folder` (by default the file's own) names `path` with
    other bytes; a file that no seal names is taken as it is."""
    folder = folder or path.parent
    if not (folder / SEAL).is_file():
        return
    expected = _sealed(folder).get(_name(path, folder))
    if expected is None:
        return
    if not path.is_file():
        raise InputError(
            f"{path}: expected a file that {folder / SEAL} names, found none; {_AGAIN}"
        )
    if sha256_file(path) != expected:
        raise InputError(f"{path}: its bytes are not those that {folder / SEAL} names; {_AGAIN}")


def made(folder: Path) -> dict[str, str]:
    """How the files that the folder's seal names came to be, as `write` was told."""
    told: dict[str, str] = read_named(folder / SEAL)["made"]
    return told


def _sealed(folder: Path) -> dict[str, str]:
    files: dict[str, str] = read_named(folder / SEAL)["files"]
    return files


def _name(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
