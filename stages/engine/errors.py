"""The one error type that the street door acts on."""

import errno

_MACHINE = {
    errno.ENOSPC: ("room on the disk", "make room there"),
    errno.EDQUOT: ("room within the disk's quota", "make room there"),
    errno.EROFS: ("a folder to write in", "mount it for writing, or work in a copy elsewhere"),
    errno.EACCES: ("leave to write and read there", "change its owner or its permissions"),
    errno.EPERM: ("leave to write and read there", "change its owner or its permissions"),
    errno.EMFILE: ("room for one more open file", "raise the limit (`ulimit -n 1024`)"),
    errno.ENFILE: ("room for one more open file", "close other programs"),
    errno.EIO: ("a disk that reads and writes", "look after the disk"),
}


class InputError(Exception):
    """What a user can cause and mend: a wrong param, a broken file, a missing folder.

    Stages and commands print the message alone and exit with 1; any other exception is our
    own defect and keeps its traceback. A message says where, what was expected, what was
    received and what to do.
    """


def of_the_machine(error: OSError) -> InputError | None:
    """What to tell of a machine that has no more to give; None where that isn't the cause."""
    if error.errno not in _MACHINE:
        return None
    wanted, remedy = _MACHINE[error.errno]
    place = error.filename if error.filename is not None else "this machine"
    return InputError(
        f"{place}: expected {wanted}, received {error.strerror!r}; {remedy} and run it again"
    )
