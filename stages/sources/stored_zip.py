"""Zip archives whose bytes depend on their members alone."""

import zipfile
from pathlib import Path
from typing import Self

# The earliest date that a zip can say: a clock would make every fetch a new archive.
_DATE = (1980, 1, 1, 0, 0, 0)


class StoredZip:
    """Writes an uncompressed zip whose bytes depend on its members alone."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def add(self, name: str, data: bytes) -> None:
        """Append one member. Raises ValueError where its name came before."""
        if name in self._zip.NameToInfo:
            raise ValueError(f"two images of one path: {name}")
        entry = zipfile.ZipInfo(name, _DATE)
        entry.create_system = 3  # Unix, also where this runs on another system
        entry.external_attr = 0o644 << 16
        self._zip.writestr(entry, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
