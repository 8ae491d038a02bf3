"""Files outside the repository that params name, by their content.

DVC sees what lies in the repository. An archive, its table of labels or a file of weights may
change elsewhere, so the stage `inputs` records their digests in data/inputs.json, on which fetch
and train depend as far as each reads it. No path stands there: the same bytes in another place are
the same input.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.file_memory import FileMemory
from stages.engine.files import sha256_file
from stages.engine.keys import differences
from stages.engine.root import from_root
from stages.settings import paths
from stages.settings.params import Params
from stages.sources.archives.folder_archive import FolderPacking

FORMAT = 1
Digests = dict[str, dict[str, str | None]]


def named(params: Params) -> dict[str, dict[str, str | None]]:
    """The files and folders that params name, by section and key; None where a key names none."""
    fetch = params.fetch
    own = fetch.source not in ("phantom", "kermany")  # which read neither
    return {
        "fetch": {"path": fetch.path if own else None, "labels": fetch.labels if own else None},
        "train": {"weights": params.train.weights_file},
    }


def digests(params: Params, recorded: Mapping[str, Any], memory: FileMemory) -> Digests:
    """Digest of the content of everything that `named` gives, by section and key.

    Args:
        params: The whole of params.yaml.
        recorded: The last result. What is not there now keeps its digest of then, so that a clone
            that pulled every file needs no archive.
        memory: SHA-256 of large files by path and state; tables and weights are always read.

    Raises:
        InputError: The file of weights is not the one that train.weights pins.
    """
    found: Digests = {}
    for section, keys in named(params).items():
        found[section] = {}
        for key, name in keys.items():
            sha256 = memory.of if key == "path" else sha256_file
            content = None if name is None else _content(from_root(name), sha256)
            if name is not None and content is None:
                content = recorded.get(section, {}).get(key)
            found[section][key] = content
    pin, weights = params.train.weights_sha256, found["train"]["weights"]
    if pin is not None and weights not in (None, pin):
        raise InputError(
            f"{params.train.weights_file}: expected the weights pinned by train.weights ({pin}), "
            f"received {weights}; get that file, or pin this one (`pneumonia data pin`)"
        )
    return found


def require_recorded(params: Params, recorded: Mapping[str, Any], memory: FileMemory) -> None:
    """Raise InputError where a file outside has other content than data/inputs.json records."""
    changed = differences(
        {section: recorded.get(section, {}) for section in named(params)},
        digests(params, recorded, memory),
    )
    if changed:
        raise InputError(
            f"{', '.join(changed)}: expected the files that {paths.INPUTS} records, found others; "
            "run the whole `dvc repro`"
        )


def _content(path: Path, sha256: Callable[[Path], str]) -> str | None:
    """The digest of a file or folder; None where it is not there. OSError where unreadable."""
    if path.is_dir():
        return FolderPacking(path, sha256).sha256()
    return sha256(path) if path.exists() else None
