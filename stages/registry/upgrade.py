"""Databases and folders of runs that another version of MLflow has made."""

import urllib.parse
from pathlib import Path

from stages.engine.errors import InputError, NotFound
from stages.registry.mlflow_internals import schema
from stages.registry.store import Store, exclusive


def unusable(store: Store, message: str) -> InputError | None:
    """Return the error for a store of another version of MLflow, with what to do; else None.

    Args:
        store: The tracking store.
        message: Of the error in which MLflow refuses it.
    """
    import mlflow

    if "filesystem tracking backend" in message:
        return InputError(
            f"{store}: expected a database or a server, received a folder of files, which MLflow "
            f"{mlflow.__version__} no longer opens. Move its runs to a database and name that:\n"
            "  mlflow migrate-filestore --source FOLDER --target sqlite:////FOLDER/mlflow.db\n"
            "  export MLFLOW_TRACKING_URI=sqlite:////FOLDER/mlflow.db"
        )
    revision = schema.revision_in(message)
    return None if revision is None else _of_other_schema(store, revision)


def require_present_schema(store: Store) -> None:
    """Raise unless an SQLite database has the schema of the installed MLflow.

    MLflow would upgrade one that lacks tables, unasked and without a backup.

    Raises:
        InputError: The database is of another MLflow.
    """
    database = database_of(store)
    revision = None if database is None else schema.revision_of(database)
    if revision is not None and revision != schema.present_revision():
        raise _of_other_schema(store, revision)


def _of_other_schema(store: Store, revision: str) -> InputError:
    import mlflow

    if revision not in schema.revisions():
        return InputError(
            f"{store}: the database is of a newer MLflow than {mlflow.__version__}, which is "
            f"installed (schema {revision}); use the newer one, or a backup of the database from "
            "before its upgrade"
        )
    command = (
        'mlflow db upgrade "$MLFLOW_TRACKING_URI"'
        if database_of(store) is None
        else "pneumonia model upgrade"
    )
    backup = "after a backup" if database_of(store) is None else "which keeps a backup"
    return InputError(
        f"{store}: the database is of an earlier MLflow than {mlflow.__version__}, which is "
        f"installed (schema {revision}). Upgrade it, {backup}:\n  {command}"
    )


def database_of(store: Store) -> Path | None:
    """Return the file of an SQLite database; None for another store."""
    uri = urllib.parse.urlsplit(store.uri)
    if uri.scheme != "sqlite":
        return None
    path = urllib.parse.unquote(uri.path) if store.folder is not None else uri.path
    return Path(path[1:])


def upgrade_store(store: Store) -> Path | None:
    """Upgrade an SQLite database to the installed MLflow, and return the backup of before.

    Returns:
        None if the database is up to date.

    Raises:
        NotFound: There is no such database.
        InputError: The store is no SQLite database, or of a newer MLflow.
    """
    database = database_of(store)
    if database is None:
        raise InputError(
            f"{store}: expected an SQLite database, received another store. Make a backup of its "
            'database, then run\n  mlflow db upgrade "$MLFLOW_TRACKING_URI"'
        )
    if not database.is_file():
        raise NotFound(f"{database}: expected a database, found none; `dvc repro` creates it")
    with exclusive(store):
        former = schema.revision_of(database)
        if former in (None, schema.present_revision()):
            return None
        if former not in schema.revisions():
            raise _of_other_schema(store, former)
        backup = database.with_name(f"{database.stem}-{former}.db")
        if not backup.exists():
            schema.copy(database, backup)
        schema.upgrade(database)
    return backup
