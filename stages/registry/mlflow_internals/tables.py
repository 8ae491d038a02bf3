"""Read tables of the embedded store, without importing MLflow, which takes seconds."""

import contextlib
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

COLUMNS = {
    "experiments": ("experiment_id", "name", "artifact_location"),
    "experiment_tags": ("experiment_id", "key", "value"),
    "runs": (
        "run_uuid",
        "experiment_id",
        "start_time",
        "status",
        "lifecycle_stage",
        "artifact_uri",
    ),
    "tags": ("run_uuid", "key", "value"),
    "model_versions": ("name", "version", "current_stage", "source"),
    "logged_models": ("model_id", "lifecycle_stage", "artifact_location"),
    "model_version_tags": ("name", "version", "key", "value"),
    "registered_model_aliases": ("name", "alias", "version"),
}
"""The columns of MLflow's tables that are read here."""

WAIT_S = 5.0
"""How long a reader waits for a writer; then MLflow is asked, which waits longer."""

_ARTIFACTS = "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
_ALIASES = "SELECT name, version FROM registered_model_aliases WHERE alias = ?"


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database in the store's folder, to be read and not created.

    Raises:
        sqlite3.Error: There is none, or, of a query, it is locked or has other tables.
    """
    address = f"{(folder / 'mlflow.db').as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, WAIT_S, uri=True)) as connection:
        yield connection


def artifacts(connection: sqlite3.Connection) -> str | None:
    """Return where the store's artifacts were when it was last opened, as `Store.artifacts`."""
    found = connection.execute(_ARTIFACTS).fetchone()
    return None if found is None else str(found[0]).removesuffix("/0")


def aliases(connection: sqlite3.Connection, alias: str) -> dict[str, str]:
    """Return the version that an alias points at, by the name of the model."""
    return {name: str(version) for name, version in connection.execute(_ALIASES, (alias,))}


def local(uri: str) -> Path:
    """Return the folder of an artifact location of the embedded store."""
    return Path(urllib.parse.unquote(urllib.parse.urlsplit(uri).path))
