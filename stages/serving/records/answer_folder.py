"""The folder of an answer log, as it must be before a service goes on with it."""

import os
import secrets
from pathlib import Path

from stages.engine import key_file
from stages.engine.errors import InputError
from stages.serving.access.private_file import read_private, sync_folder
from stages.serving.records.answer_chain import (
    FIRST_PREVIOUS,
    HEAD,
    Head,
    log_files,
    log_name,
    read_head,
    whole_line,
)

HASH_KEY = "image-hash.key"
_KEY_BYTES = 32
_KEY_REMEDY = "the service makes one at its first start; a copy of the file keeps hashes equal"


def make_private(folder: Path) -> None:
    """Create the folder, for its owner only.

    Raises:
        InputError: It is there, and others may write to it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise InputError(
            f"{folder}: expected a folder of the user who runs the service, in which no other can "
            f"write, found one of user number {status.st_uid} with the permissions "
            f"{status.st_mode & 0o7777:04o}; run `chmod 700 {folder}`, or name another"
        )


def refuse_held(folder: Path) -> None:
    """Raise InputError, because another service writes there."""
    raise InputError(
        f"{folder}: expected a folder in which no other service writes its answers, found one in "
        "use; give each service a folder of its own"
    )


def image_key(path: Path) -> bytes:
    """Return the key of the hashes of images, which is made if it is not there.

    Raises:
        InputError: Others may read it, or it is none.
    """
    if not path.exists():
        key_file.write_new(path, secrets.token_bytes(_KEY_BYTES), secret=True)
        sync_folder(path.parent)
    key = read_private(path, "a key", at_most=_KEY_BYTES, remedy=_KEY_REMEDY)
    if len(key) != _KEY_BYTES:
        raise InputError(
            f"{path}: expected {_KEY_BYTES} bytes, found {len(key)}; restore it from a copy, or "
            "remove it: the hashes of the same image then differ from earlier ones"
        )
    return key


def newest_line(folder: Path) -> tuple[Head, bytes]:
    """Return the newest whole line of a log, and what a killed service left of the next one.

    Raises:
        InputError: The newest lines are not those that were written.
    """
    newest, unfinished = Head(0, FIRST_PREVIOUS), b""
    numbers = log_files(folder)
    for number in reversed(numbers):
        text = (folder / log_name(number)).read_bytes()
        end, whole = len(text), None
        while end and whole is None:
            begin = text.rfind(b"\n", 0, end - 1) + 1
            whole = whole_line(text[begin:end])
            end = begin if whole is None else end
        unfinished = unfinished or text[end:]
        if whole is not None:
            newest = whole
            break
    noted = read_head(folder)
    if noted is None and numbers:
        found = f"none (no {HEAD})"
    elif noted is not None and newest.number < noted.number:
        found = f"one of {newest.number} lines"
    elif noted is not None and newest.number == noted.number and newest.digest != noted.digest:
        found = "another newest line"
    else:
        return newest, unfinished
    raise InputError(
        f"{folder}: expected the answer log as it was written, with the newest line that {HEAD} "
        f"notes, found {found}; keep the folder as it is (`pneumonia answers verify {folder}` "
        "names the lines), and name a new one"
    )
