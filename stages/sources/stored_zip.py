"""Folders and zip archives that are either absent, or whole."""

import contextlib
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from stages.engine.files import name_place

# The earliest date that a zip can say: a clock would make every fetch a new archive.
_DATE = (1980, 1, 1, 0, 0, 0)


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; on a clean exit it takes `folder`'s place.

    Whatever goes wrong inside, `folder` keeps what it held. Leftovers of a run that was
    killed are cleaned by the next.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    previous = folder.with_name(f".{folder.name}.previous")
    if previous.exists() and not folder.exists():  # killed between the two renames below
        previous.rename(folder)
    for leftover in (partial, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rename(previous)
        partial.rename(folder)
        shutil.rmtree(previous, ignore_errors=True)
    except OSError as error:
        name_place(error, folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class StoredZip:
    """Writes an uncompressed zip whose bytes depend on its members alone."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def add(self, name: str, data: bytes) -> None:
        """Append one member. Raises ValueError where its name came before."""
        if name in self._zip.NameToInfo:
            raise ValueError(f"two films of one path: {name}")
        entry = zipfile.ZipInfo(name, _DATE)
        entry.create_system = 3  # Unix, also where this runs on another system
        entry.external_attr = 0o644 << 16
        self._zip.writestr(entry, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
