"""Look at an alias again and again, and get the files of the version that it points at.

The embedded store is read from its tables, without MLflow and without a write: a store that was
moved away is not made anew. Only for a version whose files are somewhere else MLflow is asked. So
is every other store; the limits of `connection` hold for each request.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stages.engine.errors import InputError, ServiceUnavailable
from stages.registry import champion, connection, moves, opened_version
from stages.registry.aliases import alias_version
from stages.registry.champion import Champion
from stages.registry.client import Client
from stages.registry.mlflow_internals import quick_champion
from stages.registry.store import Store


class RegistryDown(ServiceUnavailable):
    """The registry can't be asked at present.

    Attributes:
        reason: Why, without an address or a path.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason; the message is `detail`."""
        super().__init__(detail)
        self.reason = reason


class AliasSource(Protocol):
    """An alias of a registered model."""

    @property
    def name(self) -> str:
        """The registered model."""

    @property
    def alias(self) -> str:
        """The alias."""

    @property
    def store(self) -> Store:
        """Where it is registered."""

    def version(self) -> str | None:
        """Return the version that the alias points at; None if there is none.

        Raises:
            RegistryDown: The registry can't be asked.
        """

    def record(self, version: str) -> Champion:
        """Return what is on record of a version; its `package` need not be there.

        Raises:
            RegistryDown: The registry can't be asked.
            InputError: Its files were deleted.
        """

    def files(self, version: Champion, folder: Path) -> Path:
        """Copy the files of a version into an empty folder, unchecked, and return where they are.

        Raises:
            InputError: They can't be copied or downloaded.
        """


def alias_source(store: Store, name: str, alias: str) -> AliasSource:
    """Return an alias of a registered model; nothing is contacted."""
    if store.folder is not None:
        return EmbeddedAlias(store, name, alias)
    return ServerAlias(store, name, alias)


@dataclass(frozen=True)
class EmbeddedAlias:
    """An alias in the embedded store."""

    store: Store
    name: str
    alias: str

    def version(self) -> str | None:
        """Return the version that the alias points at; None if there is none."""
        found = quick_champion.versions_at(self.store, self.alias)
        if found is None:
            raise RegistryDown(
                "the embedded store can't be read",
                f"{self.store}: expected the embedded store in {self.store.folder}, found none "
                "that can be read; put it back, or name another with --registry",
            )
        return found.get(self.name)

    def record(self, version: str) -> Champion:
        """Return what is on record of a version, and where its files are."""
        found = quick_champion.stored_version(self.store, self.name, version)
        if found is None:
            self.version()  # raises if the store is gone, which MLflow would make anew
            return self._through_mlflow().record(version)
        tags, records = found.tags, found.moves
        return champion.on_record(self.name, version, found.package, tags, records, self.alias)

    def files(self, version: Champion, folder: Path) -> Path:
        """Copy the files of a version; a link is copied as one, for the check to refuse."""
        if version.package == Path():
            return self._through_mlflow().files(version, folder)
        # Bytecode belongs to no version; of format 1 none is sealed, so it would be no change.
        ignored = None if version.sealed else shutil.ignore_patterns("__pycache__")
        try:
            shutil.copytree(version.package, folder / "files", symlinks=True, ignore=ignored)
        except (shutil.Error, OSError) as error:
            raise InputError(f"{version}: its files can't be copied ({_first(error)})") from None
        return folder / "files"

    def _through_mlflow(self) -> "ServerAlias":
        """Return what finds files that are not where they are expected."""
        return ServerAlias(self.store, self.name, self.alias)


@dataclass
class ServerAlias:
    """An alias in a store that is reached through MLflow."""

    store: Store
    name: str
    alias: str
    _client: Client | None = field(default=None, repr=False)

    def version(self) -> str | None:
        """Return the version that the alias points at; None if there is none."""
        try:
            return alias_version(self._opened(), self.name, self.alias)
        except Exception as error:  # noqa: BLE001  what is no failure of the store is raised again
            raise self._down(error) from None

    def record(self, version: str) -> Champion:
        """Return what is on record of a version."""
        try:
            client = self._opened()
            tags = client.get_model_version(self.name, version).tags
            records = moves.read_moves(client, self.name)
        except Exception as error:  # noqa: BLE001  what is no failure of the store is raised again
            raise self._down(error) from None
        return champion.on_record(self.name, version, Path(), tags, records, self.alias)

    def files(self, version: Champion, folder: Path) -> Path:
        """Download the files of a version."""
        self._opened()
        try:
            return opened_version.download(self.name, version.version, folder / "files")
        except InputError as error:
            raise InputError(connection.describe_failure(self.store, error)) from None

    def _opened(self) -> Client:
        if self._client is None:
            self._client = connection.open_store(self.store)
        return self._client

    def _down(self, error: Exception) -> RegistryDown:
        """Return a failure of the store as RegistryDown; raise any other error."""
        if isinstance(error, RegistryDown):
            return error
        if not connection.is_store_failure(error):
            raise error
        if refused := connection.refused_login(self.store, error):
            error = refused
        answers = isinstance(error, connection.RefusedLogin)
        reason = "the registry refuses the login" if answers else "the registry does not answer"
        detail = connection.describe_failure(self.store, error)
        named = detail.startswith(f"{self.store}: ")
        return RegistryDown(reason, detail if named else f"{self.store}: {detail}")


def _first(error: Exception) -> str:
    """Return an error in a line: of a folder's files, the first one's."""
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        return str(error.args[0][0][2])
    return str(getattr(error, "strerror", None) or error)
