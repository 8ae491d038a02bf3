"""A tar archive, plain or packed with gzip: listed by one pass from its start to its end."""

import contextlib
import gzip
import hashlib
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.sources.archives.members import MAX_RATIO, Member, Read, is_bomb, name_problem

_CHUNK = 2**20
_DAMAGED = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError)


class _BombError(Exception):
    pass


class TarPacking:
    """The tar at `path`; `packed`: by gzip."""

    def __init__(self, path: Path, *, packed: bool) -> None:
        self.path = path
        self._packed = packed
        self._length = 0  # of the tar itself, known once it has been listed

    def sha256(self) -> str:
        """SHA-256 of the file as it is, packed or not."""
        return sha256_file(self.path)

    def spooled_bytes(self) -> int:
        """The unpacked tar's size, where it is packed: gzip can't be read from the middle."""
        return self._length if self._packed else 0

    def members(self) -> list[Member]:
        """Every entry that is no folder.

        Raises InputError where the tar is damaged, lacks its end, or is a bomb: unlike a zip's,
        a tar's list can't be had without unpacking, so that stops at once.
        """
        try:
            with self._opened() as stream:
                found = list(self._scan(stream))
        except _BombError as bomb:
            raise InputError(
                f"{self.path}: expected at most {MAX_RATIO} times its own size unpacked, received "
                f"more ({bomb}): a decompression bomb; nothing was taken from it"
            ) from None
        except _DAMAGED as error:
            raise InputError(
                f"{self.path}: expected a whole tar archive, received one that is cut short or "
                f"damaged ({error}); get it again"
            ) from None
        return found

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with gzip.open(self.path) if self._packed else self.path.open("rb") as stream:
            yield cast(IO[bytes], stream)

    def _scan(self, stream: IO[bytes]) -> Iterator[Member]:
        limited = _Limited(stream, self.path.stat().st_size)
        archive: Any  # the checker's stubs leave out `members`
        with tarfile.open(fileobj=cast(Any, limited), mode="r:") as archive:
            while (entry := archive.next()) is not None:
                archive.members.clear()  # or each entry's dozen of fields would stay in memory
                if entry.isdir():
                    continue
                problem = _problem(entry)
                content = "" if problem else _digest(limited, entry.offset_data, entry.size)
                yield Member(entry.name, entry.size, content, entry.offset_data, problem)
            # The library takes a header that makes no sense for the end of the archive.
            if limited.last != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("its end mark is missing")
            self._length = archive.offset

    @contextlib.contextmanager
    def reading(self, scratch: Path) -> Iterator[Read]:
        """Reads members where they stand; a packed tar is unpacked to a nameless file first."""
        with contextlib.ExitStack() as opened:
            stream = opened.enter_context(self._opened())
            if self._packed:
                spool = opened.enter_context(tempfile.TemporaryFile(dir=scratch))
                for done in range(0, self._length, _CHUNK):
                    spool.write(stream.read(min(_CHUNK, self._length - done)))
                stream = spool

            def read(member: Member) -> bytes:
                stream.seek(member.place)
                data = stream.read(member.size)
                if hashlib.sha256(data).hexdigest() != member.content:
                    raise InputError(f"{self.path}: changed while it was read; run fetch again")
                return data

            yield read


class _Limited:
    """Reading of a stream that stops at a bomb.

    The tar library reads headers of any size that they claim, at once.
    """

    def __init__(self, stream: IO[bytes], packed: int) -> None:
        self._stream = stream
        self._packed = packed
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _CHUNK:
            raise _BombError(f"a header of {size:,} bytes")
        self.last = data = self._stream.read(size)
        if is_bomb(self._stream.tell(), self._packed):
            raise _BombError(f"{self._stream.tell():,} bytes from {self._packed:,}")
        return data

    def seek(self, offset: int) -> int:
        # Step by step: packed bytes can only be skipped by unpacking them.
        while self.tell() < offset and self.read(min(_CHUNK, offset - self.tell())):
            pass
        return self._stream.seek(min(offset, self.tell()))

    def tell(self) -> int:
        return self._stream.tell()


def _digest(stream: _Limited, start: int, size: int) -> str:
    hashed = hashlib.sha256()
    stream.seek(start)
    while size:
        data = stream.read(min(_CHUNK, size))
        if not data:
            raise tarfile.ReadError("unexpected end of data")
        hashed.update(data)
        size -= len(data)
    return hashed.hexdigest()


def _problem(entry: tarfile.TarInfo) -> str | None:
    if problem := name_problem(entry.name):
        return problem
    if not entry.isreg():
        return "it is a link or a device, not a file"
    if entry.issparse():
        return "it is a sparse file; pack it without --sparse"
    return None
