"""Files kept in the user's cache folder, shared by all clones and made by one process at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from stages.engine.console import print_note
from stages.engine.errors import InputError
from stages.engine.locks import locked, user_folder


@contextlib.contextmanager
def locked_path(name: str) -> Iterator[Path]:
    """Yield the path of the file `name` in `locks.user_folder` while holding its lock.

    The lock is an empty file `<name>.lock`, which stays.

    Raises:
        InputError: The folder can't be created or written to, is not the user's own, or doesn't
            support locks.
    """
    with contextlib.ExitStack() as held:
        try:
            path = user_folder() / name
            held.enter_context(
                locked(
                    path.with_name(f"{name}.lock"),
                    when_held=lambda: print_note(f"waiting for another process that writes {path}"),
                )
            )
        except OSError as error:
            raise InputError(
                f"{error.filename or 'the cache folder'}: can't keep the download here ({error}); "
                "set XDG_CACHE_HOME to a folder that can be written to"
            ) from None
        yield path
