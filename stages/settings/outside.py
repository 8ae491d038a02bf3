"""Files outside the repository that params name, by their content.

DVC sees what lies in the repository. An archive, its table of labels or a file of weights may
change elsewhere, so the stage `inputs` records their digests in data/inputs.json, on which fetch
and train depend as far as each reads it. No path stands there: the same bytes in another place are
the same input.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, sha256_file, write_json
from stages.engine.root import from_root
from stages.settings.params import Params
from stages.sources.archives.folder_archive import FolderPacking

FORMAT = 1
Digests = dict[str, dict[str, str | None]]

_SETTLED_NS = 2_000_000_000
"""A file that changed less than this before it was read may change again within the same tick of
the file system's clock, unseen: its digest is not remembered."""


def named(params: Params) -> dict[str, dict[str, str | None]]:
    """The files and folders that params name, by section and key; None where a key names none."""
    fetch, weights = params.fetch, params.train.weights
    own = fetch.source not in ("phantom", "kermany")  # which read neither
    return {
        "fetch": {"path": fetch.path if own else None, "labels": fetch.labels if own else None},
        "train": {"weights": None if weights == "imagenet" else weights},
    }


def digests(params: Params, recorded: Mapping[str, Any], memory: "Memory") -> Digests:
    """Digest of the content of everything that `named` gives, by section and key.

    Args:
        params: The whole of params.yaml.
        recorded: The last result. What is not there now keeps its digest of then, so that a clone
            that pulled every file needs no archive.
        memory: Digests of large files by path and state; tables and weights are always read.
    """
    found: Digests = {}
    for section, keys in named(params).items():
        found[section] = {}
        for key, name in keys.items():
            sha256 = memory.sha256 if key == "path" else sha256_file
            content = None if name is None else _content(from_root(name), sha256)
            if name is not None and content is None:
                content = recorded.get(section, {}).get(key)
            found[section][key] = content
    return found


def _content(path: Path, sha256: Callable[[Path], str]) -> str | None:
    """The digest of a file or folder; None where it is not there. OSError where unreadable."""
    if path.is_dir():
        return FolderPacking(path, sha256).sha256()
    return sha256(path) if path.exists() else None


class Memory:
    """SHA-256 of files, remembered by path, size, modification and change time, and inode.

    These are stored as one digest, since the name of an image may identify a patient. Unlike a
    digest of the name alone, it can't be undone by trying names.

    Args:
        path: The JSON file of the memory; a damaged one counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stored: dict[str, str] = {}
        self._used: dict[str, str] = {}
        try:
            stored = read_json(path)
        except InputError:
            stored = None
        if isinstance(stored, dict):
            self._stored = stored

    def sha256(self, path: Path) -> str:
        """Return the hexadecimal SHA-256 of a file; read it only if its state has changed."""
        before = _state(path)
        key = digest([str(path.resolve()), *before])
        if key in self._stored:
            self._used[key] = self._stored[key]
            return str(self._stored[key])
        now = time.time_ns()
        content = sha256_file(path)
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
