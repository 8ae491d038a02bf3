"""Prepared pixels, remembered by the digest of their image file: only new images are decoded.

The file holds one entry per image: SHA-256 of the image file, checksum, pixels. Its name stands for
all else that decides pixels: the options, the code and the locked environment. It is a cache:
without it, or with a damaged one, decoding gives the same bytes.
"""

import os
import zlib
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import GrayImage
from stages.engine.closure import meaning_digests
from stages.engine.files import digest, replacing, sha256_file
from stages.images.options import PixelOptions

_DIGEST_BYTES, _CHECKSUM_BYTES = 32, 4
_CODE = ["stages.images.prepare"]
_ROOT = Path(__file__).resolve().parents[2]


def open_memory(folder: Path, options: PixelOptions, lock: Path) -> "PixelMemory":
    """Open the memory of pixels that these options, this code and this environment give.

    Args:
        folder: Holds this memory and the one used before it; older ones are deleted.
        options: Decide the pixels of an image.
        lock: The lock file of the environment, relative to the folder with the code.
    """
    code = meaning_digests(_CODE, _ROOT)
    facts = [options.model_dump(), code, sha256_file(_ROOT / lock)]
    path = folder / f"{digest(facts)[:16]}.bin"
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(folder.glob("*.bin"), key=lambda other: other.stat().st_mtime)
    for old in [other for other in others if other != path][:-1]:
        old.unlink()
    return PixelMemory(path, options.image_px)


class PixelMemory:
    """Pixels of images, uint8 (side, side), by the SHA-256 of the image file.

    A context manager: at its end, entries that were not asked for are dropped if they are most.

    Attributes:
        found: How many images `read` has returned.
    """

    def __init__(self, path: Path, side: int) -> None:
        self._path = path
        self._side = side
        self._entry_bytes = _DIGEST_BYTES + _CHECKSUM_BYTES + side**2
        self._file = path.open("ab+")
        # A kill may leave the last entry incomplete.
        self._file.truncate(self._count() * self._entry_bytes)
        self._starts, self._places = self._index()
        self._was_read = np.zeros(len(self._starts), np.bool_)  # by entry; a set takes much memory
        self.found = 0

    def __contains__(self, sha256: str) -> bool:
        """Whether the pixels of this image seem to be here; `read` may still find them damaged."""
        return self._place(bytes.fromhex(sha256)) is not None

    def read(self, sha256: str) -> GrayImage | None:
        """Return pixels, uint8 (side, side), or None if they are not here or are damaged."""
        name = bytes.fromhex(sha256)
        place = self._place(name)
        if place is None:
            return None
        entry = self._stored(place, self._entry_bytes)
        pixels = entry[_DIGEST_BYTES + _CHECKSUM_BYTES :]
        if entry != self._entry(name, pixels):
            return None
        self._was_read[place] = True
        self.found += 1
        return np.frombuffer(pixels, np.uint8).reshape(self._side, self._side)

    def add(self, sha256: str, pixels: GrayImage) -> None:
        """Remember the pixels, uint8 (side, side), of an image."""
        name = bytes.fromhex(sha256)
        place = self._place(name)
        if place is None or not self._was_read[place]:
            self._file.write(self._entry(name, pixels.tobytes()))

    def _entry(self, name: bytes, pixels: bytes) -> bytes:
        checksum = zlib.crc32(pixels, zlib.crc32(name))
        return name + checksum.to_bytes(_CHECKSUM_BYTES, "little") + pixels

    def _index(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Return the first 8 bytes of each entry's digest, sorted, and the entries in that order.

        Eight bytes are enough to find an entry, and take a tenth of the memory that a dictionary
        of digests would.
        """
        starts = np.empty(self._count(), np.uint64)
        for number in range(len(starts)):
            starts[number] = int.from_bytes(self._stored(number, 8))
        order = np.argsort(starts, kind="stable")
        return starts[order], order

    def _place(self, name: bytes) -> int | None:
        start = np.uint64(int.from_bytes(name[:8]))
        # The last entry of a name, since one is written again where an earlier one is damaged.
        at = int(np.searchsorted(self._starts, start, side="right")) - 1
        return int(self._places[at]) if at >= 0 and self._starts[at] == start else None

    def _count(self) -> int:
        """Number of complete entries in the file."""
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size // self._entry_bytes

    def _stored(self, number: int, count: int) -> bytes:
        """The first `count` bytes of an entry."""
        return os.pread(self._file.fileno(), count, number * self._entry_bytes)

    def _drop_unused(self) -> None:
        count = self._count()
        old = len(self._was_read)  # entries behind are of this run
        if count <= 2 * (int(self._was_read.sum()) + count - old):
            return
        with replacing(self._path) as temporary, temporary.open("wb") as kept:
            for number in range(count):
                if number >= old or self._was_read[number]:
                    kept.write(self._stored(number, self._entry_bytes))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._drop_unused()
        finally:
            self._file.close()
