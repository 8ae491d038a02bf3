"""Files of secrets that only the user of this process may read or change."""

import os
import stat
from pathlib import Path

from stages.engine.errors import InputError, NotFound
from stages.engine.files import add_filename, replacing


def read_private(path: Path, what: str, *, at_most: int, remedy: str) -> bytes:
    """Return the bytes of a file of secrets.

    Owner and permissions are those of the file that was opened, so that nobody can exchange it
    between the check and the read.

    Args:
        path: The file, or a link to it, as containers mount secrets.
        what: What it should be, such as "a file of keys".
        at_most: Bytes that it may have.
        remedy: How to make one, for the message.

    Raises:
        NotFound: There is none.
        InputError: It is no file, belongs to another user, is readable by others, or is too long.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
    except FileNotFoundError:
        raise NotFound(f"{path}: expected {what}, found no such file; {remedy}") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: expected {what}, found a folder, device or pipe; {remedy}")
        if status.st_uid not in (os.geteuid(), 0):  # root reads everything anyway
            raise InputError(
                f"{path}: expected {what} of the user who runs this (number {os.geteuid()}), found "
                f"one of user number {status.st_uid}; change its owner"
            )
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError(
                f"{path}: expected {what} that only its owner can read or change, found the "
                f"permissions {stat.S_IMODE(status.st_mode):04o}; run `chmod 600 {path}`"
            )
        with os.fdopen(os.dup(handle), "rb") as opened:
            data = opened.read(at_most + 1)
    finally:
        os.close(handle)
    if len(data) > at_most:
        raise InputError(f"{path}: expected {what} of at most {at_most:,} bytes, found more")
    return data


def write_private(path: Path, data: bytes) -> None:
    """Write a file of secrets, mode 0600, whole or not at all, and durably.

    Raises:
        OSError: The folder can't be written to, or the disk is full.
    """
    with replacing(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(handle)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new and renamed files of a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        add_filename(error, folder)
        raise
    finally:
        os.close(handle)
