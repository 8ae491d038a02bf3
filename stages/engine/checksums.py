"""Checksums beside files, so that a file which changed after it was written is refused.

`checksums.json` lists the SHA-256 of files by their paths relative to its folder, and is written
last. It detects damage and edits; it is not a signature.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, sha256_file, write_json

CHECKSUMS = "checksums.json"
_REMEDY = "run `dvc repro`, or `dvc checkout --force` to restore the version in DVC's cache"


def content_digest(facts: Mapping[str, object]) -> str:
    """Digest everything in `facts` but the key "digest", under which a JSON file keeps it."""
    return digest({key: value for key, value in facts.items() if key != "digest"})


def read_digested(path: Path) -> dict[str, Any]:
    """Read a JSON object that holds its own digest.

    Raises:
        InputError: The file is missing, or its content does not match its digest.
    """
    facts = read_json(path)
    try:
        intact = isinstance(facts, dict) and content_digest(facts) == facts.get("digest")
    except ValueError:  # a NaN, which has no digest
        intact = False
    if not intact:
        raise InputError(f"{path}: its digest is not that of its content; {_REMEDY}")
    content: dict[str, Any] = facts
    return content


def write(folder: Path, files: Iterable[Path], **provenance: str) -> None:
    """Write the checksums of `files` to `folder`.

    Args:
        folder: Gets `checksums.json`.
        files: May lie in other folders; they are listed relative to `folder`.
        provenance: How the files were made, covered by the same digest.
    """
    listed = {_relative(path, folder): sha256_file(path) for path in files}
    facts = {"files": listed, "provenance": provenance}
    write_json(folder / CHECKSUMS, {**facts, "digest": content_digest(facts)})


def verify(folder: Path) -> None:
    """Raise InputError where a folder has no checksums, or a listed file is missing or changed."""
    if not (folder / CHECKSUMS).is_file():
        raise InputError(f"{folder}: expected {CHECKSUMS}, found none: it is unfinished; {_REMEDY}")
    for name, expected in _listed(folder).items():
        path = Path(os.path.normpath(folder / name))
        verify_sha256(path, expected, folder / CHECKSUMS, _REMEDY)


def verify_file(path: Path) -> None:
    """Raise InputError where the checksums in a file's folder list it with other bytes.

    A file that is not listed, or has no checksums beside it, is accepted as it is.
    """
    folder = path.parent
    if not (folder / CHECKSUMS).is_file():
        return
    expected = _listed(folder).get(path.name)
    if expected is not None:
        verify_sha256(path, expected, folder / CHECKSUMS, _REMEDY)


def verify_sha256(path: Path, expected: str, listed_in: Path, remedy: str) -> None:
    """Raise InputError where `path` is missing or its SHA-256 is not `expected`.

    Args:
        path: The file to hash.
        expected: Hex SHA-256.
        listed_in: The file that lists the checksum, for the message.
        remedy: What the user can do about it, for the message.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a file that {listed_in} lists, found none; {remedy}")
    if sha256_file(path) != expected:
        raise InputError(f"{path}: its bytes are not those that {listed_in} lists; {remedy}")


def read_provenance(folder: Path) -> dict[str, str]:
    """Return what `write` was given as `provenance`."""
    provenance: dict[str, str] = read_digested(folder / CHECKSUMS)["provenance"]
    return provenance


def _listed(folder: Path) -> dict[str, str]:
    files: dict[str, str] = read_digested(folder / CHECKSUMS)["files"]
    return files


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
