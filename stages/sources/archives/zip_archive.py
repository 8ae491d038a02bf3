"""A zip archive: its directory of members is at its end, and each member can be read alone."""

import contextlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.sources.archives.members import MAX_RATIO, Member, Read, is_bomb, name_problem

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    zlib.error,
    LZMAError,
    RuntimeError,
)


class ZipPacking:
    """The zip at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sha256(self) -> str:
        """Return the SHA-256 of the file."""
        return sha256_file(self.path)

    def scratch_bytes(self) -> int:
        """Return 0: members are read in place."""
        return 0

    def members(self) -> list[Member]:
        """Return every entry that is not a folder.

        Raises:
            InputError: The directory of members is missing or damaged, or members overlap.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                entries = archive.infolist()
        except _DAMAGE as error:
            raise InputError(
                f"{self.path}: the zip archive is truncated or damaged ({error}); download or "
                "copy it again"
            ) from None
        # Entries that share packed bytes pass the ratio each, and unpack to far more together.
        if sum(entry.compress_size for entry in entries) > self.path.stat().st_size:
            raise InputError(
                f"{self.path}: expected separate members, received members that overlap: a "
                "decompression bomb; nothing was imported"
            )
        return [
            _member(place, entry)
            for place, entry in enumerate(entries)
            if not _name(entry).endswith("/")
        ]

    @contextlib.contextmanager
    def reader(self, scratch: Path | None) -> Iterator[Read]:  # noqa: ARG002
        """Yield a function that reads a member in place; `scratch` is not used."""
        with zipfile.ZipFile(self.path) as archive:
            entries = archive.infolist()

            def read(member: Member) -> bytes:
                try:
                    return archive.read(entries[member.place])
                except _DAMAGE as error:
                    raise InputError(
                        f"{self.path}: {member.name!r} can't be unpacked ({error}); the archive "
                        "is damaged, download or copy it again"
                    ) from None

            yield read


def _member(place: int, entry: zipfile.ZipInfo) -> Member:
    content = f"{entry.CRC:08x}/{entry.file_size}"
    return Member(_name(entry), entry.file_size, content, place, _problem(entry))


def _name(entry: zipfile.ZipInfo) -> str:
    """Return the name with `/`; old Windows tools wrote backslashes."""
    return entry.filename if "/" in entry.filename else entry.filename.replace("\\", "/")


def _problem(entry: zipfile.ZipInfo) -> str | None:
    if problem := name_problem(entry.filename):
        return problem
    if entry.flag_bits & 0x1:
        return "it is encrypted; unpack the archive with its password and give the folder"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a device, not a file; replace it with the file itself"
    if entry.compress_type not in _METHODS:
        return (
            f"its compression method, number {entry.compress_type}, is not supported; unpack the "
            "archive and give the folder"
        )
    if is_bomb(entry.file_size, entry.compress_size):
        return (
            f"expected at most {MAX_RATIO} times its packed size, {entry.compress_size:,} bytes "
            f"unpack to {entry.file_size:,}: a decompression bomb"
        )
    return None
