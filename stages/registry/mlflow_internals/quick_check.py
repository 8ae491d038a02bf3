"""Confirm from the embedded store's tables that a model is registered, without importing MLflow.

`register` runs on every `dvc repro` and nearly always has nothing to do, while importing MLflow
takes seconds. Anything that is not as expected, an error of SQLite included, is left to the
complete path through MLflow.
"""

import sqlite3
from dataclasses import dataclass

from stages.registry.mlflow_internals import tables
from stages.registry.store import Store
from stages.registry.stored_package import are_there, is_whole

_RUNS = """
SELECT runs.run_uuid, runs.artifact_uri
FROM tags
JOIN runs ON runs.run_uuid = tags.run_uuid
WHERE tags.key = 'run_digest' AND tags.value = ? AND runs.lifecycle_stage = 'active'
"""
_TAG = "SELECT 1 FROM tags WHERE run_uuid = ? AND key = ? AND value = ?"
_VERSION = """
SELECT identity.version, models.artifact_location, package.value
FROM model_version_tags AS identity
JOIN model_version_tags AS tag ON tag.name = identity.name AND tag.version = identity.version
JOIN model_version_tags AS package
ON package.name = identity.name AND package.version = identity.version
JOIN model_versions AS versions
ON versions.name = identity.name AND versions.version = identity.version
JOIN logged_models AS models
ON versions.source = 'models:/' || models.model_id AND models.lifecycle_stage = 'active'
WHERE identity.name = ? AND identity.key = 'model_digest' AND identity.value = ?
AND package.key = 'package_digest' AND tag.key = 'shown' AND tag.value = ?
AND versions.current_stage != 'Deleted_Internal'
"""


@dataclass(frozen=True)
class Expected:
    """What the store has to hold.

    Attributes:
        run: Run digest of the one run that carries `run_tags`.
        run_tags: Tags of that run.
        run_files: Its files by path, with their sizes where known.
        name: Registered model.
        model: Model digest of its version.
        text: Digest of the version's tags and description, which its tag `shown` repeats.
        alias: Alias that must point at the version; None if that does not matter.
    """

    run: str
    run_tags: dict[str, str]
    run_files: dict[str, int | None]
    name: str
    model: str
    text: str
    alias: str | None


def registered_version(store: Store, expected: Expected) -> str | None:
    """Return the version that is `expected`, or None unless everything is certain."""
    if store.folder is None:
        return None
    try:
        with tables.reading(store.folder) as connection:
            return _find(connection, store, expected)
    except sqlite3.Error:
        return None


def _find(connection: sqlite3.Connection, store: Store, expected: Expected) -> str | None:
    query = connection.execute
    if tables.artifacts(connection) != store.artifacts:  # the folder has moved
        return None
    runs = query(_RUNS, (expected.run,)).fetchall()
    if len(runs) != 1 or not are_there(tables.local(runs[0][1]), expected.run_files):
        return None
    for key, value in expected.run_tags.items():
        if query(_TAG, (runs[0][0], key, value)).fetchone() is None:
            return None
    versions = query(_VERSION, (expected.name, expected.model, expected.text)).fetchall()
    if len(versions) != 1 or not is_whole(tables.local(versions[0][1]), versions[0][2]):
        return None
    version = str(versions[0][0])
    if expected.alias is not None:
        pointed_at = tables.aliases(connection, expected.alias).get(expected.name)
        if pointed_at != version:
            return None
    return version
