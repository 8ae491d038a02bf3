"""Errors that a user can fix: their message is printed without a traceback."""

import errno

from stages.engine.printable import printable

_FIXABLE = {
    errno.ENOSPC: ("the disk is full", "free some space there"),
    errno.EDQUOT: ("the disk quota is used up", "free some space there"),
    errno.EROFS: ("the file system is read-only", "mount it writable or work in a copy elsewhere"),
    errno.EACCES: ("permission denied", "change its owner or its permissions"),
    errno.EPERM: ("permission denied", "change its owner or its permissions"),
    errno.EMFILE: ("too many open files", "raise the limit (`ulimit -n 1024`)"),
    errno.ENFILE: ("too many open files on this machine", "close other programs"),
    errno.EIO: ("the disk fails to read or write", "check the disk"),
}


class InputError(Exception):
    """An error the user can fix: a wrong param, a broken file, a missing folder.

    Stages and commands print the message alone and exit with 1. Any other exception is a bug
    and keeps its traceback. A message gives the place, what is wrong, what is allowed, what was
    given and what to do. Raise a subclass where a caller acts on the kind of error.
    """


class InvalidSettings(InputError):
    """params.yaml, or another place for settings, has a missing, unknown or invalid key."""


class UnusableImage(InputError):
    """An image file is broken, unsupported or shows nothing; other images may be fine."""


class NotFound(InputError):
    """A version, run, model, commit or file that was asked for by name doesn't exist."""


class ServiceUnavailable(InputError):
    """A service, such as the tracking server, doesn't answer; the same call may work later."""


def as_input_error(error: OSError) -> InputError | None:
    """Return the InputError for a fault of the machine that the user can fix, else None.

    Such faults are a full disk, a missing permission or too many open files. The message starts
    with the file's name if `error` has one.
    """
    if error.errno not in _FIXABLE:
        return None
    problem, remedy = _FIXABLE[error.errno]
    place = "this machine" if error.filename is None else printable(str(error.filename))
    return InputError(f"{place}: {problem} ({error.strerror}); {remedy} and run it again")
