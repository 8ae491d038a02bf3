"""An alias whose registry, versions and network are fakes, and whose files and checks are real."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from stages.engine.files import sha256_file
from stages.registry import packaging
from stages.registry.alias_source import RegistryDown
from stages.registry.champion import Champion
from stages.registry.sealed_package import PACKAGE
from stages.registry.store import Store
from stages.serving.following.followed import AliasFollower
from stages.serving.following.kept import Kept
from stages.serving.following.loading import Loader
from stages.serving.served import ServedModel
from tests.registry import fake
from tests.serving.fake_detector import FakeDetector

NAME = "pneumonia-phantom"


def package(folder: Path, network: bytes) -> Champion:
    """Write a package of a network that nothing loads, and return what is on record of it."""
    data, files = folder / "data", folder / "package"
    fake.write(data, model=network)
    record = fake.record(data)
    packaging.save(files, record, root=fake.ROOT, lock=fake.LOCK)
    digest = sha256_file(files / PACKAGE)
    return Champion(NAME, "0", files, record.model, digest, True, commit="c0ffee")


@dataclass
class FakeAlias:
    """An alias that a test moves, of a registry that it ends."""

    versions: dict[str, Champion]
    at: str | None = "1"
    down: bool = False
    store: Store = field(default_factory=lambda: Store("https://registry.example.org", None))
    name: str = NAME
    alias: str = "champion"
    looks: int = 0
    copied: list[str] = field(default_factory=list)

    def version(self) -> str | None:
        self.looks += 1
        if self.down:
            raise RegistryDown("the registry does not answer", "https://registry: no answer")
        return self.at

    def record(self, version: str) -> Champion:
        if self.down:
            raise RegistryDown("the registry does not answer", "https://registry: no answer")
        return self.versions[version]

    def files(self, version: Champion, folder: Path) -> Path:
        self.copied.append(version.version)
        shutil.copytree(version.package, folder / "files", symlinks=True)
        return folder / "files"


@dataclass
class FakeLoader(Loader):
    """Loads a version without its code; versions in `broken` fail."""

    key: Path | None = None
    broken: dict[str, BaseException] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    detector: type[FakeDetector] = FakeDetector

    def version(self, found: Champion, alias: str) -> ServedModel:
        assert found.package.is_dir()
        self.loaded.append(found.version)
        self.during()
        if found.version in self.broken:
            raise self.broken[found.version]
        return ServedModel(
            detector=cast(Any, self.detector()),
            preparer=None,
            name=found.name,
            version=found.version,
            alias=alias,
            format=2,
            model_digest=found.model_digest,
            package_digest=found.package_digest,
            commit=found.commit,
            synthetic=True,
            intended_use=None,
            cautions=("of the files",),
            classes=("normal", "pneumonia"),
            folder=found.package,
        )


@dataclass
class Following:
    """A follower of a fake alias, with a clock that stands still until a test sets it."""

    alias: FakeAlias
    loader: FakeLoader
    folder: Path
    lines: list[str] = field(default_factory=list)
    now: float = 1_000_000.0

    def __post_init__(self) -> None:
        self.follower = self.another()

    def another(self) -> AliasFollower:
        """Return a follower as of a service that starts now, in the same folder."""
        return AliasFollower(
            self.alias,
            Kept(self.folder),
            self.loader,
            poll_s=5,
            log=self.lines.append,
            clock=lambda: self.now,
        )

    def answering(self) -> str | None:
        current = self.follower.current
        return None if current is None else current.version
