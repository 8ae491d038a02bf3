"""Files that are kept for all clones of one user, each made by one process at a time."""

import contextlib
import fcntl
import sys
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from stages.engine.errors import InputError


@contextlib.contextmanager
def place(name: str) -> Iterator[Path]:
    """The path of a file in the user's cache, while no other process has it.

    The folder is $XDG_CACHE_HOME or ~/.cache on Linux, the platform's own elsewhere. The system
    lets go of the lock however its holder ends. Raises InputError where the folder can't be
    written to.
    """
    folder = platformdirs.user_cache_path("pneumonia-pipeline", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("w")
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder to keep the download in: {error}; set XDG_CACHE_HOME to "
            "a folder that can be written to"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that makes {folder / name}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / name
