"""Packages of format 1, which list their own files nowhere and answer with their own code.

From the first `pneumonia promote` by this code on, the record of the move has a digest of all their
files. One that was promoted before has no record to compare with.
"""

import shutil
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import digest, sha256_file
from stages.registry.package_files import check_package

_ADDED = "registered_model_meta"
"""What MLflow adds to the folder when it loads or downloads a version."""

_BYTECODE = "__pycache__"
"""Python adds it where code runs. It is never copied: Python would run it in place of the code."""


def checked_copy(package: Path, into: Path, *, model: str, expected: str | None) -> str:
    """Copy a package, check the copy, and return the digest of its files.

    Nothing of the package is imported. Only the copy is to be loaded: in a store, files may be
    changed after they were checked.

    Args:
        package: Its folder.
        into: Folder to create.
        model: Model digest of the version.
        expected: Digest that was recorded when the version was promoted; None for no record.

    Raises:
        InputError: It has a link, or its files are not those of the model or of the record.
    """
    paths = _listed(package)
    for path in paths:
        copy = into / path.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy, follow_symlinks=False)
    check_package(into, model)
    found = files_digest(into)
    if expected is not None and expected != found:
        raise InputError(
            f"{package}: expected the files that were promoted ({expected[:12]}), found others "
            f"({found[:12]}): a file was changed, added or removed since. `pneumonia rollback` "
            "returns to the version before; to keep this one, restore its files from a backup"
        )
    return found


def files_digest(package: Path) -> str:
    """Return the digest of all files of a package of format 1, by path.

    Raises:
        InputError: It has a link.
    """
    paths = _listed(package)
    return digest({path.relative_to(package).as_posix(): sha256_file(path) for path in paths})


def _listed(package: Path) -> list[Path]:
    """Return the files of a package, without what MLflow and Python add to it.

    Raises:
        InputError: It has a link, which may lead to any file of this machine.
    """
    found = []
    for path in sorted(package.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError(f"{path}: expected a file of a version, found a link or a device")
        if path.is_file() and path.parent.name != _BYTECODE and path != package / _ADDED:
            found.append(path)
    return found
