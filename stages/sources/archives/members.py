"""What an archive contains, however it is packed: members, listed first and read later."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

# Images are compressed already: zipping real ones saves a few per cent, and a blank DICOM file
# shrinks perhaps fifty times. Members up to RATIO_FROM_BYTES may have any ratio.
MAX_RATIO = 200
RATIO_FROM_BYTES = 2**20

_JUNK_FILES = {"desktop.ini", "dicomdir", "icon\r"}
_JUNK_FOLDERS = {
    *("__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found"),
    "system volume information",
}
# Also `Thumbs.db:encryptable`; and the lock files of office programs.
_JUNK_STARTS = ("thumbs.db", "ehthumbs", "~$")
# What Windows keeps of a download, `<name>:Zone.Identifier`, and macOS of a file on a share; the
# colon differs by system.
_JUNK_ENDS = ("zone.identifier", "afp_afpinfo", "afp_resource")
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive.

    Attributes:
        name: Its path in the archive.
        size: In bytes, unpacked.
        content: Equal for equal content.
        place: Where its packing finds it again.
        problem: Why it is refused; None if it may be read.
    """

    name: str
    size: int
    content: str
    place: int
    problem: str | None = None

    @property
    def path(self) -> PurePosixPath:
        """The name in parts, without `.` and repeated slashes."""
        return PurePosixPath(self.name)


Read = Callable[[Member], bytes]


class Packing(Protocol):
    """An archive on disk, of one format."""

    path: Path

    def sha256(self) -> str:
        """Return a checksum of everything in it."""

    def members(self) -> list[Member]:
        """Return its files, in any order, without folders.

        Raises:
            InputError: The archive is damaged.
        """

    def scratch_bytes(self) -> int:
        """Return the disk space that `reader` needs for temporary files; call `members` first."""

    def reader(self, scratch: Path | None) -> AbstractContextManager[Read]:
        """Open the archive for reading, with temporary files in the folder `scratch`.

        The context manager yields a function from a member to its bytes, which raises InputError
        if they can't be read. With None there are no temporary files, and an archive for which
        `scratch_bytes` is not 0 is to be read in the order of `members`: going back takes long.
        """


def name_problem(name: str) -> str | None:
    """Return why a member with this name is refused, None if it isn't."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(name):
        return "its path leads out of the archive"
    if _CONTROL.search(name) and not is_junk(path.parts):  # macOS has a file `Icon\r`
        return "its name contains control characters or line breaks; rename the file"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8; rename the file"
    return None


def is_junk(parts: tuple[str, ...]) -> bool:
    """Return whether a path is hidden or a by-product of an operating system, in any case."""
    name = parts[-1].lower()
    return (
        any(part.startswith(".") or part.lower() in _JUNK_FOLDERS for part in parts)
        or name in _JUNK_FILES
        or name.startswith(_JUNK_STARTS)
        or name.endswith(_JUNK_ENDS)
    )


def is_bomb(size: int, packed: int) -> bool:
    """Return whether `packed` bytes unpack to more (`size`) than any image does."""
    return size > RATIO_FROM_BYTES and size > MAX_RATIO * packed
