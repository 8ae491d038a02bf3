"""Digests of large files, remembered as long as nothing about the file has changed."""

import time
from collections.abc import Callable
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, write_json

_SETTLED_NS = 2_000_000_000
"""A file that changed less than this before it was read may change again within the same tick of
the file system's clock, unseen: its digest is not remembered."""


class FileMemory:
    """Digests of files, remembered by path, size, modification and change time, and inode.

    These are stored as one digest, since the name of an image may identify a patient. Unlike a
    digest of the name alone, it can't be undone by trying names.

    Args:
        path: The JSON file of the memory; a damaged one counts as empty.
        read: Returns the hexadecimal digest of a file.
    """

    def __init__(self, path: Path, read: Callable[[Path], str]) -> None:
        self._path = path
        self._read = read
        self._stored: dict[str, str] = {}
        self._used: dict[str, str] = {}
        try:
            stored = read_json(path)
        except InputError:
            stored = None
        if isinstance(stored, dict):
            self._stored = stored

    def of(self, path: Path) -> str:
        """Return the digest of a file; read it only if its state has changed."""
        before = _state(path)
        key = digest([str(path.resolve()), *before])
        if key in self._stored:
            self._used[key] = self._stored[key]
            return str(self._stored[key])
        now = time.time_ns()
        content = self._read(path)
        if _state(path) == before and max(before[1:3]) < now - _SETTLED_NS:
            self._used[key] = content
        return content

    def save(self) -> None:
        """Store what was used, and nothing older."""
        if self._used != self._stored:
            write_json(self._path, self._used)


def _state(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
