"""Checkpoints: the whole state of a training after an epoch, in one file.

A folder belongs to one digest of data, params, code and environment, so a changed run never resumes
from another's weights. The digest of a file's bytes is part of its name: a damaged file is noticed
and skipped for the one before it.
"""

import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.engine.console import print_note
from stages.engine.files import sha256_bytes, write_bytes

_KEPT = 2
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """The state after `epoch` full epochs: arrays by name, and facts that JSON can hold."""

    epoch: int
    arrays: Arrays
    facts: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; delete all but the last two."""
    buffer = io.BytesIO()
    facts = np.frombuffer(json.dumps(checkpoint.facts).encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, **{**checkpoint.arrays, "facts": facts})
    data = buffer.getvalue()
    write_bytes(folder / f"{checkpoint.epoch:05d}-{sha256_bytes(data)[:16]}.npz", data)
    for old in _found(folder)[_KEPT:]:
        old.unlink()


def latest(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint whose bytes match its name, or None."""
    for path in _found(folder):
        epoch, stamp = path.stem.split("-", 1)
        try:
            data = path.read_bytes()
        except OSError as error:
            data = b""
            print_note(f"{path}: {error.strerror}")
        # Checked before a byte is parsed: nobody knows what NumPy and zipfile do with garbage.
        right = epoch.isdecimal() and sha256_bytes(data)[:16] == stamp
        checkpoint = _parsed(int(epoch), data) if right else None
        if checkpoint:
            return checkpoint
        print_note(f"{path}: damaged, skipped for an earlier checkpoint")
    return None


def _parsed(epoch: int, data: bytes) -> Checkpoint | None:
    """Parse a checkpoint; None where it is something else under a name that fits its bytes."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Checkpoint(epoch, arrays, json.loads(arrays.pop("facts").tobytes()))
    except (AttributeError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None


def clean_others(folder: Path) -> None:
    """Delete the folders beside `folder`, those of trainings that another has replaced."""
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other)


def _found(folder: Path) -> list[Path]:
    """List checkpoint files, newest first."""
    return sorted(folder.glob("[0-9]*-*.npz"), reverse=True)
