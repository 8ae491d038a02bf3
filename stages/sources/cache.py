"""Files kept in the user's cache folder, shared by all clones and made by one process at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from stages.engine.console import print_note
from stages.engine.errors import InputError


@contextlib.contextmanager
def locked_path(name: str) -> Iterator[Path]:
    """Yield the path of the cache file `name` while holding its lock.

    The folder is $XDG_CACHE_HOME/pneumonia-pipeline or ~/.cache/pneumonia-pipeline on Linux, the
    platform's own cache folder elsewhere. The lock is an empty file `<name>.lock`, which stays;
    the operating system releases it however its holder ends.

    Raises:
        InputError: The folder can't be created or written to, or doesn't support locks.
    """
    folder = platformdirs.user_cache_path("pneumonia-pipeline", appauthor=False)
    # A soft lock, the library's fallback, would survive a killed holder.
    lock = FileLock(folder / f"{name}.lock", fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            print_note(
                f"waiting for another process that writes {folder / name}",
            )
            lock.acquire()
    except OSError as error:
        raise InputError(
            f"{folder}: can't keep the download here ({error}); set XDG_CACHE_HOME to a folder "
            "that can be written to"
        ) from None
    try:
        yield folder / name
    finally:
        lock.release()
