"""A zip archive: the list of its members stands at its end, and each can be read alone."""

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
_DAMAGED = (
    zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, zlib.error, LZMAError,
    RuntimeError,
)  # fmt: skip


class ZipPacking:
    """The zip at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sha256(self) -> str:
        """SHA-256 of the file."""
        return sha256_file(self.path)

    def spooled_bytes(self) -> int:
        """Nothing."""
        return 0

    def members(self) -> list[Member]:
        """Every entry that is no folder. Raises InputError where the zip has no sound list."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                entries = archive.infolist()
        except _DAMAGED as error:
            raise InputError(
                f"{self.path}: expected a whole zip archive, received one that is cut short or "
                f"damaged ({error}); get it again"
            ) from None
        # Entries that share the same packed bytes unpack to far more than each alone would.
        if sum(entry.compress_size for entry in entries) > self.path.stat().st_size:
            raise InputError(
                f"{self.path}: expected members beside each other, received some that overlap: "
                "a decompression bomb; nothing was taken from it"
            )
        return [
            Member(_name(entry), entry.file_size, f"{entry.CRC:08x}/{entry.file_size}", place,
                   _problem(entry))
            for place, entry in enumerate(entries)
            if not _name(entry).endswith("/")
        ]  # fmt: skip

    @contextlib.contextmanager
    def reading(self, scratch: Path) -> Iterator[Read]:  # noqa: ARG002
        """Reads members in place; `scratch` is not used."""
        with zipfile.ZipFile(self.path) as archive:
            entries = archive.infolist()

            def read(member: Member) -> bytes:
                try:
                    return archive.read(entries[member.place])
                except _DAMAGED as error:
                    raise InputError(
                        f"{self.path}: {member.name!r} can't be unpacked ({error}); "
                        "the archive is damaged, get it again"
                    ) from None

            yield read


def _name(entry: zipfile.ZipInfo) -> str:
    """The name with `/`, which old Windows tools did not write."""
    return entry.filename if "/" in entry.filename else entry.filename.replace("\\", "/")


def _problem(entry: zipfile.ZipInfo) -> str | None:
    if problem := name_problem(entry.filename):
        return problem
    if entry.flag_bits & 0x1:
        return "it is encrypted; unpack the archive with its password and give the folder"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a device, not a file"
    if entry.compress_type not in _METHODS:
        return (
            f"it is packed by a method that can't be read here (number {entry.compress_type}); "
            "unpack the archive and give the folder"
        )
    if is_bomb(entry.file_size, entry.compress_size):
        return (
            f"{entry.compress_size:,} bytes would unpack to {entry.file_size:,} (at most "
            f"{MAX_RATIO} times as many): a decompression bomb"
        )
    return None
