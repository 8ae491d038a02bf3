"""A tar archive, plain or compressed with gzip; listing it takes one pass over the whole file."""

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

_CHUNK_BYTES = 2**20
_DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError)


class _BombError(Exception):
    pass


class TarPacking:
    """The tar at `path`, compressed by gzip or not."""

    def __init__(self, path: Path, *, compressed: bool) -> None:
        self.path = path
        self._compressed = compressed
        self._tar_bytes = 0  # size of the uncompressed tar, known after `members`

    def sha256(self) -> str:
        """Return the SHA-256 of the file as it is."""
        return sha256_file(self.path)

    def scratch_bytes(self) -> int:
        """Return the uncompressed size if it is compressed, since gzip has no random access."""
        return self._tar_bytes if self._compressed else 0

    def members(self) -> list[Member]:
        """Return every entry that is not a folder.

        Raises:
            InputError: The tar is truncated, damaged or a decompression bomb. Listing a tar
                means decompressing it, so unlike with a zip a bomb stops the listing.
        """
        try:
            with self._opened() as stream:
                return list(self._entries(stream))
        except _BombError as bomb:
            raise InputError(
                f"{self.path}: expected at most {MAX_RATIO} times its own size when unpacked, "
                f"received more ({bomb}): a decompression bomb; nothing was imported"
            ) from None
        except _DAMAGE as error:
            raise InputError(
                f"{self.path}: the tar archive is truncated or damaged ({error}); download or "
                "copy it again"
            ) from None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with gzip.open(self.path) if self._compressed else self.path.open("rb") as stream:
            yield cast(IO[bytes], stream)

    def _entries(self, stream: IO[bytes]) -> Iterator[Member]:
        guarded = _BombGuard(stream, self.path.stat().st_size)
        archive: Any  # typeshed's TarFile has no `members`
        with tarfile.open(fileobj=cast(Any, guarded), mode="r:") as archive:
            while (entry := archive.next()) is not None:
                archive.members.clear()  # tarfile keeps every entry's header in memory
                if entry.isdir():
                    continue
                problem = _problem(entry)
                content = "" if problem else _digest(guarded, entry.offset_data, entry.size)
                yield Member(entry.name, entry.size, content, entry.offset_data, problem)
            # tarfile takes an invalid header for the end of the archive.
            if guarded.last_read != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("its end mark is missing")
            self._tar_bytes = archive.offset

    @contextlib.contextmanager
    def reader(self, scratch: Path | None) -> Iterator[Read]:
        """Yield a function that reads a member.

        A compressed archive is first unpacked to an unnamed file in `scratch`, if that is given.
        """
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(self._opened())
            if self._compressed and scratch is not None:
                unpacked = stack.enter_context(tempfile.TemporaryFile(dir=scratch))
                for done in range(0, self._tar_bytes, _CHUNK_BYTES):
                    unpacked.write(stream.read(min(_CHUNK_BYTES, self._tar_bytes - done)))
                stream = unpacked

            def read(member: Member) -> bytes:
                stream.seek(member.place)
                data = stream.read(member.size)
                if hashlib.sha256(data).hexdigest() != member.content:
                    raise InputError(f"{self.path}: changed while it was read; run it again")
                return data

            yield read


class _BombGuard:
    """A stream that raises _BombError instead of unpacking too much.

    tarfile reads a header at once, whatever size it claims.
    """

    def __init__(self, stream: IO[bytes], compressed_bytes: int) -> None:
        self._stream = stream
        self._compressed_bytes = compressed_bytes
        self.last_read = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _CHUNK_BYTES:
            raise _BombError(f"a header of {size:,} bytes")
        self.last_read = data = self._stream.read(size)
        if is_bomb(self._stream.tell(), self._compressed_bytes):
            raise _BombError(f"{self._stream.tell():,} bytes from {self._compressed_bytes:,}")
        return data

    def seek(self, offset: int) -> int:
        # In steps, because gzip skips bytes by decompressing them.
        while self.tell() < offset and self.read(min(_CHUNK_BYTES, offset - self.tell())):
            pass
        return self._stream.seek(min(offset, self.tell()))

    def tell(self) -> int:
        return self._stream.tell()


def _digest(stream: _BombGuard, start: int, size: int) -> str:
    hashed = hashlib.sha256()
    stream.seek(start)
    while size:
        data = stream.read(min(_CHUNK_BYTES, size))
        if not data:
            raise tarfile.ReadError("unexpected end of data")
        hashed.update(data)
        size -= len(data)
    return hashed.hexdigest()


def _problem(entry: tarfile.TarInfo) -> str | None:
    if problem := name_problem(entry.name):
        return problem
    if not entry.isreg():
        return "it is a link or a device, not a file; replace it with the file itself"
    if entry.issparse():
        return "it is a sparse file; create the archive without --sparse"
    return None
