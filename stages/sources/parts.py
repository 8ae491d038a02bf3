"""Images in several zip archives of bounded size, so that one more image changes one of them.

Each source has archives of its own, so that a further source changes none of the others. In which
of them an image lies is decided by the hash of its path: `images.zip` while all of them fit into
one part; then `images.0.zip` or `images.1.zip`, by the first bit of the hash; and where one of
these is too large, by the second bit, and so on. Of several sources each has its name in the names
of its parts, such as `images-lyon.zip` and `images-lyon.0.zip`. The parts depend on the images'
paths and sizes alone, and an image that is added, removed or replaced changes its own part (or
divides it, or joins two). A remote or a colleague receives that part, and not the whole data set;
what is renamed when a second source comes is not sent again, as DVC knows files by their content.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from stages.sources.stored_zip import StoredZip

MAX_PART_BYTES = 256 * 1024**2
"""What the images of one part may take up together, in bytes, unless it holds a single one."""


class ImageParts:
    """Writer of the parts; a context manager that closes them.

    Args:
        folder: Where the parts are written.
        max_bytes: What the images of a part may take up together.
        sources: The names of all sources.
    """

    def __init__(self, folder: Path, max_bytes: int, sources: Sequence[str]) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._sources = sources
        self._parts: dict[_Key, _Part] = {}
        for source in sources:
            self._begin(_Key(source, ""))

    def add(self, source: str, path: str, data: bytes) -> None:
        """Append an image."""
        key = self._key_of(source, path)
        part = self._parts[key]
        part.add(path, data)
        if part.bytes > self._max_bytes and part.images > 1:
            self._divide(key)

    def place_of(self, source: str, path: str) -> dict[str, str | int]:
        """Return the `part` in which the image of this path lies, and its `offset` there in bytes.

        It holds once all images have been added.

        Raises:
            ValueError: Two images have the same path.
        """
        key = self._key_of(source, path)
        return {"part": self._name(key), "offset": self._parts[key].offset_of(path)}

    def _key_of(self, source: str, path: str) -> "_Key":
        bits = _bits(path)
        if len(self._sources) == 1:  # its name is in no name of a part
            source = self._sources[0]
        keys = (_Key(source, bits[:length]) for length in range(len(bits)))
        return next(key for key in keys if key in self._parts)

    def _divide(self, key: "_Key") -> None:
        whole = self._parts.pop(key)
        whole.close()
        for bit in "01":
            self._begin(_Key(key.source, key.bits + bit))
        for path, data in whole.read_all():
            self.add(key.source, path, data)
        whole.path.unlink()

    def _begin(self, key: "_Key") -> None:
        self._parts[key] = _Part(self._folder / self._name(key))

    def _name(self, key: "_Key") -> str:
        # Names of sources have no dots, so that no two parts have one name.
        source = f"-{key.source}" if len(self._sources) > 1 else ""
        return f"images{source}{'.' if key.bits else ''}{key.bits}.zip"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for part in self._parts.values():
            part.close()


class _Key(NamedTuple):
    """What decides in which part an image lies: its source, and the first bits of its hash."""

    source: str
    bits: str


class _Part:
    """One archive that is being written; its file exists from the first image on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.images = self.bytes = 0
        self._zip: StoredZip | None = None

    def add(self, path: str, data: bytes) -> None:
        if self._zip is None:
            self._zip = StoredZip(self.path)
        self._zip.add(path, data)
        self.images += 1
        self.bytes += len(data)

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        assert self._zip is not None
        return self._zip.read_all()

    def offset_of(self, path: str) -> int:
        assert self._zip is not None
        return self._zip.offset_of(path)

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()


def _bits(path: str) -> str:
    """The SHA-256 of a path as 256 digits 0 and 1."""
    return f"{int.from_bytes(hashlib.sha256(path.encode()).digest()):0256b}"
