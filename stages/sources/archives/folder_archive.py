"""A folder of files, treated like an archive. Nothing in it is ever written to."""

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
from stages.sources.archives.members import Member, Read, is_litter, name_problem


class FolderPacking:
    """The folder at `path`. Litter is neither listed nor part of the checksum."""

    def __init__(self, path: Path, digest: Callable[[Path], str] = sha256_file) -> None:
        self.path = path
        self._digest = digest

    def sha256(self) -> str:
        """SHA-256 over the lines `<sha256 of the content>  ./<path>` of every file, sorted by
        path as bytes of UTF-8; links and the like count as empty."""
        lines = (f"{member.content}  ./{member.name}\n" for member in self.members())
        hashed = hashlib.sha256()
        for line in lines:
            hashed.update(line.encode(errors="surrogateescape"))
        return hashed.hexdigest()

    def spooled_bytes(self) -> int:
        """Nothing."""
        return 0

    def members(self) -> list[Member]:
        """Every file but litter, sorted by path. Raises InputError where one can't be read."""
        return list(self._listed)

    @functools.cached_property
    def _listed(self) -> list[Member]:
        try:
            names = sorted(_walk(self.path, ""), key=os.fsencode)
            listed = progress(names, label="checksums", total=len(names))
            return [self._member(name) for name in listed]
        except OSError as error:
            raise InputError(f"{self.path}: expected files that can be read: {error}") from None

    def _member(self, name: str) -> Member:
        path = self.path / name
        facts = path.lstat()
        problem = name_problem(name)
        if not stat.S_ISREG(facts.st_mode):
            problem = "it is a link or a device, not a file; put the file itself in its place"
        content = self._digest(path) if problem is None else ""
        return Member(name, facts.st_size, content, 0, problem)

    @contextlib.contextmanager
    def reading(self, scratch: Path) -> Iterator[Read]:  # noqa: ARG002
        """Reads files in place; `scratch` is not used."""

        def read(member: Member) -> bytes:
            try:
                data = (self.path / member.name).read_bytes()
            except OSError as error:
                raise InputError(f"{self.path / member.name}: can't be read: {error}") from None
            if hashlib.sha256(data).hexdigest() != member.content:
                raise InputError(
                    f"{self.path / member.name}: changed while it was read; leave the folder in "
                    "peace until fetch has ended"
                )
            return data

        yield read


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    """Paths of files, links and the like beneath `folder`, litter left out; links not followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if is_litter((entry.name,)):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{name}/")
            else:
                yield name
