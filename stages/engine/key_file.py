"""Files that hold a key: written once and never over another, secret ones for their owner only."""

import os
import stat
from pathlib import Path

from stages.engine.errors import InputError, NotFound


def write_new(path: Path, data: bytes, *, secret: bool) -> None:
    """Write a key to a file that does not exist yet, complete or not at all.

    Args:
        path: The file.
        data: The key.
        secret: Whether only the owner may read it.

    Raises:
        InputError: There is a file already, or no such folder.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    except FileExistsError:
        raise InputError(
            f"{path}: expected no file there, found one, which may be a key in use; give another "
            "path, or remove the file if nobody needs that key again"
        ) from None
    except FileNotFoundError:
        raise NotFound(f"{path}: expected an existing folder to write to, found none") from None
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(data)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def is_open_to_all(path: Path) -> bool:
    """Return whether every user of this machine may read or change the file."""
    return os.name == "posix" and bool(path.stat().st_mode & stat.S_IRWXO)
