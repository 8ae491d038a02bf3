"""Find the version at an alias, and what is on record of it, in the embedded store's tables.

`predict` needs no more of MLflow, whose import takes longer than TensorFlow's. Anything that is not
as expected, an error of SQLite included, is left to the complete path through MLflow.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.registry.experiments import TAG
from stages.registry.mlflow_internals import tables
from stages.registry.moves import Move, history_name, move_of
from stages.registry.store import Store

_PACKAGE = """
SELECT models.artifact_location
FROM model_versions AS versions
JOIN logged_models AS models
ON versions.source = 'models:/' || models.model_id AND models.lifecycle_stage = 'active'
WHERE versions.name = ? AND versions.version = ? AND versions.current_stage != 'Deleted_Internal'
"""
_TAGS = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
_EXPERIMENT = "SELECT experiment_id FROM experiments WHERE name = ?"
_RENAMED_EXPERIMENT = "SELECT experiment_id FROM experiment_tags WHERE key = ? AND value = ?"
_RECORDS = """
SELECT run_uuid, start_time, status FROM runs WHERE experiment_id = ?
ORDER BY start_time, run_uuid
"""
_RECORD_TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"


@dataclass(frozen=True)
class StoredVersion:
    """A version in the embedded store.

    Attributes:
        version: Its number.
        tags: Its tags.
        moves: Every record of a move of an alias of its model, oldest first.
        package: Folder with its files.
    """

    version: str
    tags: Mapping[str, str]
    moves: tuple[Move, ...]
    package: Path


def versions_at(store: Store, alias: str) -> dict[str, str] | None:
    """Return the version at `alias` by the name of its model; None if the tables don't tell."""
    if store.folder is None:
        return None
    try:
        with tables.reading(store.folder) as connection:
            return tables.aliases(connection, alias)
    except sqlite3.Error:
        return None


def stored_version(store: Store, name: str, version: str) -> StoredVersion | None:
    """Return a version of the model `name`, or None unless everything is as expected."""
    if store.folder is None:
        return None
    try:
        with tables.reading(store.folder) as connection:
            return _read(connection, store, name, version)
    except (sqlite3.Error, TypeError, ValueError):
        return None


def _read(
    connection: sqlite3.Connection, store: Store, name: str, version: str
) -> StoredVersion | None:
    locations = connection.execute(_PACKAGE, (name, version)).fetchall()
    if len(locations) != 1:
        return None
    package = _present_folder(connection, store, locations[0][0])
    if package is None or not package.is_dir():
        return None
    tags = dict(connection.execute(_TAGS, (name, version)))
    return StoredVersion(version, tags, tuple(_moves(connection, name)), package)


def _present_folder(connection: sqlite3.Connection, store: Store, location: str) -> Path | None:
    """Return the folder of an artifact location, also in a store that was moved or copied."""
    former = tables.artifacts(connection)
    if former is None or not location.startswith(f"{former}/"):
        return None  # somewhere else, where MLflow may find it
    return tables.local(f"{store.artifacts}{location.removeprefix(former)}")


def _moves(connection: sqlite3.Connection, name: str) -> list[Move]:
    history = history_name(name)
    found = (
        connection.execute(_EXPERIMENT, (history,)).fetchone()
        or connection.execute(_RENAMED_EXPERIMENT, (TAG, history)).fetchone()
    )
    if found is None:
        return []
    return [
        move_of(record, start_ms, state, dict(connection.execute(_RECORD_TAGS, (record,))))
        for record, start_ms, state in connection.execute(_RECORDS, found).fetchall()
    ]
