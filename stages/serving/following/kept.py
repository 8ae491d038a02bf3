"""The versions that services keep on disk, so that one that starts without its registry answers.

Several services may share a folder. It belongs to one user alone:

    versions/<digest of the files>/   a version, complete or absent
    served/<digest of the place>.json what a service last answered with, and where it found it
    incoming/                         downloads that are not checked yet

Whatever is read from it is checked as if it came from the registry. A folder of a version that no
service names, and that none has opened for an hour, is removed.
"""

import contextlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import canonical_json, digest, write_text
from stages.engine.locks import locked

FORMAT = 1
_UNUSED_S = 3600.0
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a version is looked for: the address of a registry, a model and an alias."""

    registry: str
    name: str
    alias: str

    @property
    def key(self) -> str:
        """The name of its file."""
        return digest([self.registry, self.name, self.alias])[:32]


@dataclass(frozen=True)
class KeptVersion:
    """What is on record of a kept version.

    Attributes:
        name: Registered model.
        version: Its number.
        files: Digest of its files, which names its folder: of a version of format 2 its package
            digest.
        model_digest: Its model digest.
        package_digest: What the registry has as the digest of its files; None if it has none.
        sealed: Whether it lists its own files: format 2.
        commit: Git commit that it was trained at, if that is on record.
        cautions: What makes it doubtful.
        since: Seconds since 1970 at which a service began to answer with it.
    """

    name: str
    version: str
    files: str
    model_digest: str
    package_digest: str | None
    sealed: bool
    commit: str | None
    cautions: tuple[str, ...]
    since: float


class Kept:
    """A folder of kept versions."""

    def __init__(self, folder: Path) -> None:
        """Create the folder where it isn't there.

        Raises:
            InputError: Other users may read or write it, or it belongs to one of them.
            OSError: It can't be created or written to.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        _own(folder)
        self._versions, self._served, self._incoming = (
            _own(folder / name) for name in ("versions", "served", "incoming")
        )
        self._lock = folder / ".lock"
        with self._locked():
            pass  # an OSError here is one of the first moment, and not of the first version

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """Yield an empty folder for files that are not checked; it is removed afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, files: Path, files_digest: str) -> Path:
        """Move the checked files of a version to their place, and return it.

        Where another service was faster, its files stay: it may be loading them.
        """
        place = self._versions / files_digest
        for path in (files, *files.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
        with self._locked():
            if not place.is_dir():
                files.rename(place)
        return place

    def folder(self, files_digest: str) -> Path | None:
        """Return the folder of a version, to be checked by the caller; None if it isn't kept."""
        place = self._versions / files_digest
        try:
            os.utime(place)
        except OSError:
            return None
        return place

    def remove(self, files_digest: str) -> None:
        """Remove a version whose files turned out to be damaged."""
        shutil.rmtree(self._versions / files_digest, ignore_errors=True)

    def note(self, place: Place, version: KeptVersion) -> None:
        """Record that a service answers with a version, and remove what nobody needs."""
        path = self._served / f"{place.key}.json"
        with self._locked():
            former, last = _read(path), self.last(place)
            moved = last is not None and last.files != version.files
            content = {
                "format": FORMAT,
                "place": asdict(place),
                "version": asdict(version),
                "before": last.files if last and moved else former.get("before"),
            }
            write_text(path, canonical_json(content))
            path.chmod(0o600)
            self._remove_unused()

    def last(self, place: Place) -> KeptVersion | None:
        """Return what a service last answered with; None if nothing readable is kept."""
        content = _read(self._served / f"{place.key}.json")
        try:
            if content["format"] != FORMAT or content["place"] != asdict(place):
                return None
            facts = content["version"]
            found = KeptVersion(**{**facts, "cautions": tuple(facts["cautions"])})
        except (KeyError, TypeError):
            return None
        return found if len(found.files) == 64 and found.files.isalnum() else None

    def _remove_unused(self) -> None:
        named = set()
        for path in self._served.glob("*.json"):
            content = _read(path)
            named |= {content.get("version", {}).get("files"), content.get("before")}
        limit = time.time() - _UNUSED_S
        for place in (*self._versions.iterdir(), *self._incoming.iterdir()):
            with contextlib.suppress(OSError):
                if place.name not in named and place.lstat().st_mtime < limit:
                    shutil.rmtree(place)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(self._lock):
            yield


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a small JSON file; empty if there is no such thing."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _own(folder: Path) -> Path:
    """Return a folder of this user alone, created where it isn't there."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid != os.geteuid()
        or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ):
        raise InputError(
            f"{folder}: expected a folder of your own that nobody else can read or write (0700), "
            f"received one of user {status.st_uid} with the permissions "
            f"{stat.S_IMODE(status.st_mode):04o}, or a link; change it, or choose another with "
            "--kept"
        )
    return folder
