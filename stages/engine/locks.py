"""Locks between processes of one host, and the user's own folder for files that clones share.

A lock is an empty file that stays; the operating system releases it when its holder ends, however
it ends. No lock and no shared file lies in a folder in which another user can plant a link.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from stages.engine.errors import InputError


@contextlib.contextmanager
def locked(path: Path, *, when_held: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file at `path`; wait for it if another process does.

    Args:
        path: The file. It is created, and neither truncated nor written to.
        when_held: Is called before waiting. It may raise instead of that.

    Raises:
        InputError: The file is a link, or is no file.
        OSError: The folder can't be written to, or doesn't support locks.
    """
    from filelock import FileLock, Timeout

    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise _no_lock_file(path)
    # A soft lock, the library's fallback, would survive a killed holder. It follows no links.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            when_held()
            lock.acquire()
    except OSError as error:
        if error.errno == errno.ELOOP:  # planted since the check above
            raise _no_lock_file(path) from None
        raise
    try:
        yield
    finally:
        lock.release()


def user_folder() -> Path:
    """Return the user's own cache folder, which is created if it isn't there.

    $XDG_CACHE_HOME/pneumonia-pipeline or ~/.cache/pneumonia-pipeline on Linux, the platform's own
    cache folder elsewhere. Other users can't write there, so names in it need not be secret.

    Raises:
        InputError: It belongs to another user, or others may write to it.
        OSError: It can't be created.
    """
    folder = platformdirs.user_cache_path("pneumonia-pipeline", appauthor=False)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for status in (folder.lstat(), folder.stat()):  # of a link, and of what it leads to
        others = not stat.S_ISLNK(status.st_mode) and status.st_mode & stat.S_IWOTH
        if status.st_uid != os.geteuid() or others:
            raise InputError(
                f"{folder}: expected a folder of your own that other users can't write to, "
                f"received one of user {status.st_uid} with the permissions "
                f"{stat.S_IMODE(status.st_mode):04o}; change it, or set XDG_CACHE_HOME to another"
            )
    return folder


def _no_lock_file(path: Path) -> InputError:
    return InputError(f"{path}: expected a lock file, found a link or a folder; remove it")
