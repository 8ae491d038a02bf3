"""Files that are either absent, or whole: temporary name first, then a rename."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError

DECIMALS = 6
"""Of a figure in a file."""


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in constant memory."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> str:
    """`value` as JSON text with one form only: sorted keys, indent 2, a newline at the end.

    Raises ValueError on NaN or infinity, which JSON cannot say.
    """
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def digest(value: Any) -> str:
    """Hex SHA-256 of `value`'s compact canonical JSON: a name for a set of facts."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return sha256_bytes(text.encode())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on a clean exit rename it to `path`.

    Whatever goes wrong inside, `path` keeps what it held before. A temporary name carries the
    process id, so two writers never share one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        name_place(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; on a clean exit it takes `folder`'s place.

    Whatever goes wrong inside, `folder` keeps what it held. Leftovers of a run that was
    killed are cleaned by the next.
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
        name_place(error, folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def name_place(error: OSError, path: Path) -> None:
    """Have `error` say where it happened: a write to a full disk doesn't know its file's name."""
    if error.errno is not None and error.filename is None:
        error.filename = str(path)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as canonical JSON, whole or not at all."""
    write_text(path, canonical_json(value))


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises InputError where the file is missing or is not JSON.
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
