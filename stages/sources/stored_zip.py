"""Zip archives whose bytes depend on their members alone, written in little memory."""

import hashlib
import zipfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Self, cast

import numpy as np
import numpy.typing as npt

# The earliest date that zip can store. The current time would change the bytes with every fetch.
_DATE = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER_BYTES = 30


class StoredZip:
    """Writer of an uncompressed zip whose bytes depend on its members alone.

    `zipfile` keeps half a kilobyte of each member until it writes the table of members; here it is
    the name and 40 bytes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)
        self._members = _Members()

    def __len__(self) -> int:
        return len(self._members)

    def add(self, name: str, data: bytes) -> None:
        """Append a member."""
        self._zip.writestr(_entry(name), data)
        self._members.append(self._zip.filelist.pop())
        self._zip.NameToInfo.clear()

    def offset_of(self, name: str) -> int:
        """Return where the local header of a member begins, in bytes.

        Raises:
            ValueError: Two members have the same name.
        """
        return self._members.offset_of(name)

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each member, in the order in which they were added."""
        with self._path.open("rb") as handle:
            for member in self._members:
                name_bytes = len(member.filename.encode())
                handle.seek(member.header_offset + _LOCAL_HEADER_BYTES + name_bytes)
                yield member.filename, handle.read(member.file_size)

    def close(self) -> None:
        """Write the table of members, without which the archive can't be read."""
        # It is iterated over, once.
        self._zip.filelist = cast(list[zipfile.ZipInfo], self._members)
        self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Members:
    """The members of a zip, each made anew when it is asked for."""

    def __init__(self) -> None:
        self._names = bytearray()
        self._ends = array("Q")  # of each name in `_names`
        self._offsets = array("Q")
        self._sizes = array("I")
        self._checksums = array("I")
        self._hashes: npt.NDArray[np.uint64] | None = None  # of names, sorted
        self._order: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        for number in range(len(self)):
            member = _entry(self._name(number))
            member.header_offset = self._offsets[number]
            member.file_size = member.compress_size = self._sizes[number]
            member.CRC = self._checksums[number]
            yield member

    def append(self, member: zipfile.ZipInfo) -> None:
        self._names += member.filename.encode()
        self._ends.append(len(self._names))
        self._offsets.append(member.header_offset)
        self._sizes.append(member.file_size)
        self._checksums.append(member.CRC)
        self._hashes = self._order = None

    def offset_of(self, name: str) -> int:
        if self._hashes is None or self._order is None:
            self._hashes, self._order = self._sort()
        at = int(np.searchsorted(self._hashes, _hash(name)))
        return self._offsets[int(self._order[at])]

    def _sort(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Return the hashes of all names, sorted, and the members in that order."""
        names = map(self._name, range(len(self)))
        hashes = np.fromiter(map(_hash, names), np.uint64, len(self))
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        for at in np.flatnonzero(hashes[1:] == hashes[:-1]):
            # Different names with one hash of 64 bits are as good as impossible.
            raise ValueError(f"two images have the path {self._name(int(order[at]))}")
        return hashes, order

    def _name(self, number: int) -> str:
        start = self._ends[number - 1] if number else 0
        return self._names[start : self._ends[number]].decode()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = 0o644 << 16
    return entry


def _hash(name: str) -> np.uint64:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest))
