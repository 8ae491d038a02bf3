"""A look at the embedded store without MLflow, whose import takes seconds.

`register` runs on every `dvc repro` and nearly always only confirms. Whatever this look does
not find as it should be, and any surprise, is left to the full road.
"""

import contextlib
import sqlite3

from stages.registry.store import Store

_COMPLETE_RUN = """
SELECT 1 FROM tags AS named JOIN tags AS told ON told.run_uuid = named.run_uuid
JOIN runs ON runs.run_uuid = named.run_uuid
WHERE named.key = 'run_digest' AND named.value = ? AND runs.lifecycle_stage = 'active'
AND told.key = ? AND told.value = ?
"""
_VERSION = """
SELECT named.version FROM model_version_tags AS named JOIN model_version_tags AS told
ON told.name = named.name AND told.version = named.version
JOIN model_versions AS versions
ON versions.name = named.name AND versions.version = named.version
WHERE named.name = ? AND named.key = 'model_digest' AND named.value = ?
AND told.key = 'shown' AND told.value = ? AND versions.current_stage != 'Deleted_Internal'
"""
_ALIAS = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
_PLACE = "SELECT artifact_location FROM experiments WHERE experiment_id = 0"


def shown_version(
    store: Store, *, run: str, tags: dict[str, str], name: str, model: str, note: str,
    alias: str | None,
) -> str | None:  # fmt: skip
    """The version of `name` that shows it all, or None where that is not certain.

    run: run digest of a run that carries `tags`. model: model digest of a version whose tag
    `shown` is `note`, and at which `alias` (None: no matter) points.
    """
    if store.folder is None:
        return None
    database = store.folder / "mlflow.db"
    try:
        with contextlib.closing(
            sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
        ) as connection:
            ask = connection.execute
            if ask(_PLACE).fetchone() != (f"{store.artifacts}/0",):
                return None
            for key, value in tags.items():
                if ask(_COMPLETE_RUN, (run, key, value)).fetchone() is None:
                    return None
            versions = ask(_VERSION, (name, model, note)).fetchall()
            if len(versions) != 1:
                return None
            pointed = versions[0] if alias is None else ask(_ALIAS, (name, alias)).fetchone()
    except sqlite3.Error:
        return None
    return str(versions[0][0]) if pointed and str(pointed[0]) == str(versions[0][0]) else None
