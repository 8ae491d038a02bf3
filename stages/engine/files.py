"""Write files and folders whole or not at all: under a temporary name first, then renamed."""

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.printable import printable_json

DECIMALS = 6
"""Decimals of the figures in text files."""


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file, read in constant memory."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Return the hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: object) -> str:
    """Format `value` as JSON in one fixed form: sorted keys, indent 2, a newline at the end.

    Letters of every script are written as they are, characters that nobody sees as escapes.

    Raises:
        ValueError: `value` holds NaN or infinity, which JSON does not have.
    """
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return f"{printable_json(text)}\n"


def digest(value: object) -> str:
    """Return the hex SHA-256 of `value` as compact JSON with sorted keys.

    Raises:
        ValueError: `value` holds NaN or infinity, which JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return sha256_bytes(text.encode())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` on success.

    If the block raises, `path` keeps its content. Nobody can guess the temporary name: `path` may
    lie in a folder where another user would plant a link of that name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        add_filename(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` and let it replace `folder` on success.

    If the block raises, `folder` keeps its content. What a killed run left is removed by the next.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    previous = folder.with_name(f".{folder.name}.previous")
    if previous.exists() and not folder.exists():  # killed between the two renames below
        previous.rename(folder)
    for leftover in (partial, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rename(previous)
        partial.rename(folder)
        shutil.rmtree(previous, ignore_errors=True)
    except OSError as error:
        add_filename(error, folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def add_filename(error: OSError, path: Path) -> None:
    """Set the error's filename if it has none, such as that of a write to a full disk."""
    if error.errno is not None and error.filename is None:
        error.filename = str(path)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write a value as canonical JSON, whole or not at all."""
    write_text(path, canonical_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: The file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected a file, found none; run `dvc repro` (or `dvc checkout`) to make it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: expected JSON, received something else ({error}); "
            "delete the file and run `dvc repro`"
        ) from None
