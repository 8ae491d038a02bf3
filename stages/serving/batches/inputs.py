"""The images of a batch, in a fixed order: of a folder, an archive or a table of paths.

Nothing is unpacked or copied. A file with the suffix of something else, such as `.csv`, and what
operating systems leave behind is left out and counted; every other file gets a row, so that none is
lost. Members that `sources.archives` refuses, such as links or bombs, are listed and never read.
"""

import contextlib
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from stages.engine.errors import InputError, UnusableImage
from stages.sources.archives.archive import MAX_IMAGE_BYTES, OTHER_SUFFIXES
from stages.sources.archives.folder_archive import FolderPacking
from stages.sources.archives.members import Member, Read, is_junk
from stages.sources.archives.packing import open_packing
from stages.sources.archives.zip_archive import ZipPacking
from stages.sources.table_file import open_table, read_rows

Load: TypeAlias = Callable[[], bytes]
"""Returns the bytes of an image; raises UnusableImage if that one can't be read."""

Opened: TypeAlias = Callable[[], contextlib.AbstractContextManager[Callable[[Member], Load]]]

_ANEW = "leave the images unchanged until the batch ends, and start it anew with --restart"


@dataclass(frozen=True)
class BatchInputs:
    """The images of a batch, listed and not yet read.

    Attributes:
        images: One for each row of the result, in its order.
        left_out: Number of files that get no row.
        in_order: Whether an image is read when the iterator of `loads` reaches it, as those of a
            compressed tar are; else when its `Load` is called, by any thread.
        opened: Opens what they are in.
    """

    images: Sequence[Member]
    left_out: int
    in_order: bool
    opened: Opened

    def digest(self) -> str:
        """Return the SHA-256 of the list: names, sizes and states of all images, in order.

        The state of a member of an archive is a checksum of its content, that of a file the time
        at which it was changed last: to hash it would mean to read it twice.
        """
        hashed = hashlib.sha256()
        for each in self.images:
            facts = [each.name, each.size, each.content, each.problem]
            hashed.update(f"{json.dumps(facts)}\n".encode())
        return hashed.hexdigest()

    @contextlib.contextmanager
    def loads(self, start: int) -> Iterator[Iterator[tuple[Member, Load]]]:
        """Yield an iterator over the images from the one at `start` on."""
        with self.opened() as load:
            yield (
                (image, load(image) if image.problem is None else _refused(image.problem))
                for image in self.images[start:]
            )


def list_images(place: Path) -> BatchInputs:
    """List the images of a folder, of a zip, tar or tar.gz, or of a CSV file with a column `path`.

    Args:
        place: Its content decides which it is, for a table its suffix.

    Raises:
        InputError: There is nothing, something else, something damaged, or no image.
    """
    if not place.exists():
        raise InputError(
            f"{place}: expected a folder, a zip, tar or tar.gz archive or a CSV file with a column "
            "`path`, found nothing"
        )
    if place.is_dir():
        found = _folder(place)
    elif place.suffix.lower() == ".csv":
        found = _table(place)
    else:
        found = _archive(place)
    if not found.images:
        raise InputError(
            f"{place}: expected images, found none; {found.left_out} other files were left out"
        )
    return found


def _folder(folder: Path) -> BatchInputs:
    packing = FolderPacking(folder, digest=lambda path: _state(path.lstat()))
    members = packing.members()
    images = _with_rows(members)
    left_out = packing.junk + len(members) - len(images)
    return BatchInputs(images, left_out, False, lambda: _files(folder))


def _table(path: Path) -> BatchInputs:
    table = open_table(path, ["path"], None, key="--batch")
    images: list[Member] = []
    for line, row in read_rows(path, table):
        if not row["path"]:
            raise InputError(f"{path}: line {line}: expected a path, found none; give each row one")
        images.append(_listed(path.parent, row["path"], len(images)))
    return BatchInputs(images, 0, False, lambda: _files(path.parent))


def _archive(path: Path) -> BatchInputs:
    packing = open_packing(path)
    members = packing.members()
    images = _with_rows(
        member for member in members if member.problem or not is_junk(member.path.parts)
    )
    in_order = packing.scratch_bytes() > 0

    @contextlib.contextmanager
    def opened() -> Iterator[Callable[[Member], Load]]:
        with packing.reader(None) as read:
            one = _one_at_a_time(read, path, damaged_alone=isinstance(packing, ZipPacking))
            yield _at_once(one) if in_order else lambda image: lambda: one(image)

    return BatchInputs(images, len(members) - len(images), in_order, opened)


def _with_rows(members: Iterable[Member]) -> list[Member]:
    """Return the members that get a row; those of no image's suffix do not."""
    return [
        replace(member, problem=_too_large(member.size)) if member.problem is None else member
        for member in members
        if member.path.suffix.lower() not in OTHER_SUFFIXES
    ]


def _listed(folder: Path, name: str, place: int) -> Member:
    """Return a file that a table lists; unlike in a folder, a link leads to its file."""
    try:
        status = (folder / name).stat()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        return Member(name, 0, "", place, problem)
    problem = _too_large(status.st_size)
    if not stat.S_ISREG(status.st_mode):
        problem = "it is a folder or a device, not a file"
    return Member(name, status.st_size, _state(status), place, problem)


def _too_large(size: int) -> str | None:
    if size <= MAX_IMAGE_BYTES:
        return None
    return f"{size:,} bytes; an image may have at most {MAX_IMAGE_BYTES:,}"


def _refused(problem: str) -> Load:
    def load() -> bytes:
        raise UnusableImage(problem)

    return load


def _state(status: os.stat_result) -> str:
    return str(status.st_mtime_ns)


@contextlib.contextmanager
def _files(folder: Path) -> Iterator[Callable[[Member], Load]]:
    yield lambda image: lambda: _read_file(folder / image.name, image)


def _read_file(path: Path, image: Member) -> bytes:
    """Return the bytes of a file as it was when it was listed.

    Raises:
        UnusableImage: Permission is denied.
        InputError: It has changed.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(image.size + 1)
    except PermissionError as error:
        raise UnusableImage(error.strerror) from None
    except FileNotFoundError:
        raise InputError(f"{path}: removed since it was listed; {_ANEW}") from None
    if (len(data), _state(status)) != (image.size, image.content):
        raise InputError(f"{path}: changed since it was listed; {_ANEW}")
    return data


def _one_at_a_time(read: Read, archive: Path, *, damaged_alone: bool) -> Read:
    """Let one thread at a time read an archive, which has one position.

    Args:
        read: Reads a member.
        archive: Its path, which a row is to leave out of the reason.
        damaged_alone: Whether an error is of that member alone.
    """
    lock = threading.Lock()

    def read_alone(image: Member) -> bytes:
        try:
            with lock:
                return read(image)
        except InputError as error:
            if not damaged_alone:
                raise
            raise UnusableImage(str(error).removeprefix(f"{archive}: ")) from None

    return read_alone


def _at_once(read: Read) -> Callable[[Member], Load]:
    def load(image: Member) -> Load:
        data = read(image)
        return lambda: data

    return load
