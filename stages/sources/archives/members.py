"""What an archive holds, however it is packed: members that are listed first and read later."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

# Images are compressed already: real ones shrink by a few per cent, a blank DICOM file perhaps
# fifty times. Small members may do what they like.
MAX_RATIO = 200
RATIO_FROM_BYTES = 2**20

_LITTER_FILES = {"Thumbs.db", "desktop.ini"}
_LITTER_FOLDERS = {"__MACOSX"}
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. `name`: its path there. `size`: bytes, unpacked. `content`: the
    same text for the same content. `place`: where its own packing finds it. `problem`: why it
    must not be touched; None if it may."""

    name: str
    size: int
    content: str
    place: int
    problem: str | None = None

    @property
    def path(self) -> PurePosixPath:
        """The name in parts, without `.` and doubled slashes."""
        return PurePosixPath(self.name)


Read = Callable[[Member], bytes]


class Packing(Protocol):
    """An archive on disk."""

    path: Path

    def sha256(self) -> str:
        """Checksum of everything that it holds."""

    def members(self) -> list[Member]:
        """Its files, in any order; folders are left out. Raises InputError where it is damaged."""

    def spooled_bytes(self) -> int:
        """Disk space, in bytes, that `reading` needs in `scratch`."""

    def reading(self, scratch: Path) -> AbstractContextManager[Read]:
        """Gives a function from a member to its bytes, which raises InputError where they can't
        be had. What must be unpacked on the way lies in the folder `scratch` meanwhile."""


def name_problem(name: str) -> str | None:
    """Why a member's name alone forbids to touch it; None if it doesn't."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(name):
        return "its path climbs out of the archive"
    if _CONTROL.search(name):
        return "its name holds control characters"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is no valid UTF-8; rename the file"
    return None


def is_litter(parts: tuple[str, ...]) -> bool:
    """Whether a path is what operating systems leave behind: hidden, or of a known name."""
    return (
        any(part.startswith(".") or part in _LITTER_FOLDERS for part in parts)
        or parts[-1] in _LITTER_FILES
    )


def is_bomb(size: int, packed: int) -> bool:
    """Whether `size` bytes from `packed` ones are more than any image gives."""
    return size > RATIO_FROM_BYTES and size > MAX_RATIO * packed
