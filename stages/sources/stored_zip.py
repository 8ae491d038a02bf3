"""Zip archives whose bytes depend on their members alone."""

import zipfile
from pathlib import Path
from typing import Self

# The earliest date that zip can store. The current time would change the bytes with every fetch.
_DATE = (1980, 1, 1, 0, 0, 0)


class StoredZip:
    """Writer of an uncompressed zip whose bytes depend on its members alone."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def add(self, name: str, data: bytes) -> None:
        """Append a member.

        Raises:
            ValueError: There is a member of this name already.
        """
        if name in self._zip.NameToInfo:
            raise ValueError(f"two images have the path {name}")
        entry = zipfile.ZipInfo(name, _DATE)
        entry.create_system = 3  # Unix, on every system
        entry.external_attr = 0o644 << 16
        self._zip.writestr(entry, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
