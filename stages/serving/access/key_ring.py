"""The keys of a running service: its file is read again whenever it changes."""

import os
import threading
from pathlib import Path

from stages.engine.errors import InputError
from stages.serving.access.keys import AccessKey, find, read_keys


class KeyRing:
    """The valid keys in a file.

    Args:
        path: The file. It is looked at for every request, which costs microseconds, so that a
            revoked key is refused by the next one.

    Raises:
        InputError: The file can't be used, or has no valid key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._state: tuple[int, ...] | None = None
        self._keys: tuple[AccessKey, ...] = ()
        self._read_if_changed()
        if not self._has_valid():
            raise InputError(
                f"{path}: expected a valid key, found none; `pneumonia keys add NAME --scope "
                f"images --keys {path}` makes one"
            )

    def find(self, presented: str) -> AccessKey | None:
        """Return the valid key that `presented` is; None for none.

        Raises:
            InputError: The file became unusable. No key counts then: who removes or opens up the
                file may have meant to lock all out.
        """
        with self._lock:
            self._read_if_changed()
            return find(self._keys, presented)

    def _has_valid(self) -> bool:
        return any(key.sha256 for key in self._keys)

    def _read_if_changed(self) -> None:
        state = _state(self._path)
        if state is None or state != self._state:
            self._keys, self._state = (), None
            self._keys = read_keys(self._path)
            self._state = state


def _state(path: Path) -> tuple[int, ...] | None:
    """Return what differs once a file was replaced, written or given other permissions."""
    try:
        status = os.stat(path)  # noqa: PTH116  twice as fast as Path.stat, for each request
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
