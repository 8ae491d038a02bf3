"""Where runs and versions are kept: the embedded store, or what MLFLOW_TRACKING_URI names.

The embedded store is one SQLite database with its artifacts beside it, `mlruns/` under the
repository's root.
"""

import contextlib
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.engine.addresses import without_secrets
from stages.engine.locks import locked

FOLDER = "mlruns"
LOCK_TIMEOUT_S = 30
"""How long a writer waits for another one before SQLite reports that the database is locked."""


@dataclass(frozen=True)
class Store:
    """A tracking store: its URI, and its folder if it is the embedded one."""

    uri: str
    folder: Path | None

    @property
    def artifacts(self) -> str | None:
        """The URI of the folder that holds the embedded store's artifacts, percent-encoded."""
        # Not a plain path: MLflow would decode a "%20" in it.
        return None if self.folder is None else (self.folder / "artifacts").as_uri()

    @property
    def address(self) -> str:
        """What tells it from others, without secrets, and the same while its folder is away."""
        if self.folder is None:
            return without_secrets(self.uri)
        return str(self.folder.parent if self.folder.name == FOLDER else self.folder)

    @property
    def is_server(self) -> bool:
        """Whether the store is reached over HTTP."""
        return self.uri.startswith(("http://", "https://"))

    def __str__(self) -> str:
        return without_secrets(self.uri) if self.folder is None else f"{FOLDER}/ (embedded)"


def find_store(root: Path, environment: Mapping[str, str] = os.environ) -> Store:
    """Return the store that `environment` names, or the embedded one under `root`.

    Nothing is created or contacted.
    """
    uri = environment.get("MLFLOW_TRACKING_URI")
    return Store(uri, None) if uri else _embedded(root.resolve() / FOLDER)


def named_store(address: str) -> Store:
    """Return the store with an address that a user gives. Nothing is created or contacted.

    Args:
        address: A URI as in MLFLOW_TRACKING_URI; or a repository, or its folder `mlruns`.
    """
    if "://" in address or address.startswith("sqlite:"):
        return Store(address, None)
    folder = Path(address).expanduser().resolve()
    is_store = folder.name == FOLDER or (folder / "mlflow.db").is_file()
    return _embedded(folder if is_store else folder / FOLDER)


def _embedded(folder: Path) -> Store:
    database = urllib.parse.quote(str(folder / "mlflow.db"))
    return Store(f"sqlite:///{database}?timeout={LOCK_TIMEOUT_S}", folder)


@contextlib.contextmanager
def exclusive(store: Store) -> Iterator[None]:
    """Wait until no other process changes the embedded store, and keep others out meanwhile.

    For what takes several calls of MLflow. A server is not locked: its clients may be on other
    hosts. The operating system releases the lock when its holder ends, however it ends.
    """
    if store.folder is None:
        yield
        return
    store.folder.mkdir(parents=True, exist_ok=True)
    with locked(store.folder / ".lock"):
        yield
