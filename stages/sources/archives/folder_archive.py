"""A folder of files, read like an archive and never written to."""

import contextlib
import functools
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.engine.progress import progress
from stages.sources.archives.members import Member, Read, is_junk, name_problem


class FolderPacking:
    """The folder at `path`. Junk files are not listed and don't count in the checksum.

    Attributes:
        path: The folder.
        junk: Number of such files, and of folders of them, that `members` met.
    """

    def __init__(self, path: Path, digest: Callable[[Path], str] = sha256_file) -> None:
        self.path = path
        self.junk = 0
        self._digest = digest

    def sha256(self) -> str:
        """Return the SHA-256 of the list of files.

        The list has a line `<sha256 of the content>  ./<path>` for each file, sorted by the bytes
        of the path in UTF-8. Refused files, such as links, have an empty first field.
        """
        hashed = hashlib.sha256()
        for member in self.members():
            line = f"{member.content}  ./{member.name}\n"
            hashed.update(line.encode(errors="surrogateescape"))
        return hashed.hexdigest()

    def scratch_bytes(self) -> int:
        """Return 0: files are read in place."""
        return 0

    def members(self) -> list[Member]:
        """Return every file except junk, sorted by path.

        Raises:
            InputError: A file or folder can't be read.
        """
        return list(self._members)

    @functools.cached_property
    def _members(self) -> list[Member]:
        try:
            names = sorted(self._walk(self.path, ""), key=os.fsencode)
            tracked = progress(names, label="checksums", total=len(names))
            return [self._member(name) for name in tracked]
        except OSError as error:
            raise InputError(f"{self.path}: not all of it can be read: {error}") from None

    def _member(self, name: str) -> Member:
        path = self.path / name
        status = path.lstat()
        problem = name_problem(name)
        if not stat.S_ISREG(status.st_mode):
            problem = "it is a link or a device, not a file; replace it with the file itself"
        content = self._digest(path) if problem is None else ""
        return Member(name, status.st_size, content, 0, problem)

    def _walk(self, folder: Path, prefix: str) -> Iterator[str]:
        """Yield the paths of files, links and the like below `folder`; links are not followed."""
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                if is_junk((entry.name,)):
                    self.junk += 1
                elif entry.is_dir(follow_symlinks=False):
                    yield from self._walk(Path(entry.path), f"{name}/")
                else:
                    yield name

    @contextlib.contextmanager
    def reader(self, scratch: Path | None) -> Iterator[Read]:  # noqa: ARG002
        """Yield a function that reads a file in place; `scratch` is not used."""

        def read(member: Member) -> bytes:
            path = self.path / member.name
            try:
                data = path.read_bytes()
            except OSError as error:
                raise InputError(f"{path}: the file can't be read: {error}") from None
            if hashlib.sha256(data).hexdigest() != member.content:
                raise InputError(
                    f"{path}: changed while it was read; run it again and leave the folder "
                    "unchanged until it ends"
                )
            return data

        yield read
