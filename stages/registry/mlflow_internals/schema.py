"""The schema of MLflow's database: is it this MLflow's, and how it is upgraded."""

import contextlib
import re
import sqlite3
from pathlib import Path

from stages.registry.store import LOCK_TIMEOUT_S


def revisions() -> set[str]:
    """Return the schemas that the installed MLflow can upgrade from, and its own."""
    import mlflow.store.db_migrations

    [folder] = mlflow.store.db_migrations.__path__
    return {path.name.partition("_")[0] for path in (Path(folder) / "versions").glob("*_*.py")}


def revision_in(message: str) -> str | None:
    """Return the schema that MLflow found, from the error in which it refuses a database."""
    found = re.search(r"out-of-date database schema \(found version (\w+)", message)
    return found[1] if found else None


def present_revision() -> str:
    """Return the schema of the installed MLflow."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    return str(_get_latest_schema_revision())


def revision_of(database: Path) -> str | None:
    """Return the schema of an SQLite database; None if it is not there, or not MLflow's yet."""
    try:
        uri = f"{database.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None  # MLflow says what is wrong
    return None if found is None else str(found[0])


def upgrade(database: Path) -> None:
    """Give an SQLite database the schema of the installed MLflow, whole or not at all.

    A copy is upgraded, since MLflow's steps are no transaction, and then written back in one.
    """
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry

    copied = database.with_suffix(".upgrading")
    copied.unlink(missing_ok=True)
    try:
        copy(database, copied)
        engine = create_sqlalchemy_engine_with_retry(f"sqlite:///{copied}")
        _upgrade_db(engine)
        engine.dispose()
        copy(copied, database)
    finally:
        copied.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copy an SQLite database, whole although others may use it."""
    with (
        contextlib.closing(sqlite3.connect(source, timeout=LOCK_TIMEOUT_S)) as read,
        contextlib.closing(sqlite3.connect(target, timeout=LOCK_TIMEOUT_S)) as written,
    ):
        read.backup(written)
