"""Create MLflow's SQLite database in one step, and keep its artifact locations where it is now.

MLflow writes artifact locations as absolute URIs, so a store that was moved or copied points at
its old place (mlflow#3144). `relocate` rewrites them all in one transaction.
"""

import contextlib
import os
import sqlite3
import urllib.parse

from stages.registry.store import LOCK_TIMEOUT_S, Store

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Every table and column in which MLflow keeps an artifact location."""


def create_database(store: Store) -> None:
    """Create the embedded store's database if it does not exist.

    MLflow needs seconds to create its tables and cannot use a database whose creation was
    interrupted, so the file gets its name last.
    """
    assert store.folder is not None
    database = store.folder / "mlflow.db"
    if database.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import Engine, event

    unfinished = database.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    event.listen(Engine, "connect", _without_sync)
    try:
        created = SqlAlchemyStore(
            f"sqlite:///{urllib.parse.quote(str(unfinished))}", store.artifacts
        )
    finally:
        event.remove(Engine, "connect", _without_sync)
    created.engine.dispose()
    with unfinished.open("rb") as handle:
        os.fsync(handle.fileno())
    unfinished.replace(database)


def relocate(store: Store) -> None:
    """Make every artifact location of the embedded store start at the store's present folder.

    The location of experiment 0, which MLflow creates with the database, is where it was before.
    """
    assert store.folder is not None
    present = store.artifacts
    with contextlib.closing(
        sqlite3.connect(store.folder / "mlflow.db", timeout=LOCK_TIMEOUT_S)
    ) as database:
        (default,) = database.execute(
            "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
        ).fetchone()
        former = default.removesuffix("/0")
        if former == present:
            return
        with database:  # one transaction
            for table, column in LOCATIONS:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (present, len(former) + 1, len(former) + 1, f"{former}/"),
                )


def _without_sync(connection: sqlite3.Connection, _: object) -> None:
    """Do not sync to disk after each of dozens of tables; the finished file is synced once."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
