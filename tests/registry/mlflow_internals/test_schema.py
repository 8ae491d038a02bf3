"""What this project relies on in MLflow without documentation still holds."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from stages.registry.connection import open_store
from stages.registry.mlflow_internals import CHECKED_ON, embedded_store, tables
from stages.registry.publish import publish_unlimited
from stages.registry.store import Store, find_store
from tests.registry import fake


def test_the_installed_mlflow_is_the_version_that_was_checked() -> None:
    installed = version("mlflow")
    assert installed == CHECKED_ON, (
        f"MLflow is {installed} now: check that the other tests of mlflow_internals pass, open the "
        "saved view and a served model by hand, then change CHECKED_ON"
    )


@pytest.fixture(scope="module")
def published(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a run and a version."""
    folder = tmp_path_factory.mktemp("published")
    fake.write(folder / "data")
    shutil.copytree(template, folder / "repository")
    store = find_store(folder / "repository")
    publish_unlimited(fake.release(folder / "data"), store, candidate=True)
    return store


@pytest.fixture
def database(published: Store) -> Iterator[sqlite3.Connection]:
    assert published.folder is not None
    with closing(sqlite3.connect(published.folder / "mlflow.db")) as connection:
        yield connection


def columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in database.execute(f"PRAGMA table_info({table})")}


def test_the_tables_have_the_columns_that_are_read(database: sqlite3.Connection) -> None:
    for table, expected in tables.COLUMNS.items():
        missing = set(expected) - columns(database, table)
        assert not missing, f"MLflow's table {table} has no {', '.join(sorted(missing))} any more"


def test_artifact_locations_are_in_the_known_columns_alone(
    database: sqlite3.Connection, published: Store
) -> None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    names = [name for (name,) in database.execute(query)]
    found = {
        (table, column)
        for table in names
        for column in columns(database, table)
        if database.execute(
            f'SELECT 1 FROM "{table}" WHERE instr("{column}", ?)', (str(published.artifacts),)
        ).fetchone()
    }
    unknown = found - set(embedded_store.LOCATIONS)
    assert not unknown, f"MLflow keeps artifact locations in {unknown} too; add them to LOCATIONS"
    assert found
    for table, column in embedded_store.LOCATIONS:
        assert column in columns(database, table), (
            f"MLflow's table {table} has no {column} any more"
        )


def test_experiment_0_has_the_default_location(
    database: sqlite3.Connection, published: Store
) -> None:
    ((location,),) = database.execute(
        "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
    )
    assert location == f"{published.artifacts}/0"


def test_deleted_runs_and_versions_are_marked_as_expected(
    database: sqlite3.Connection, published: Store
) -> None:
    client = open_store(published)
    ((run_id,),) = database.execute("SELECT run_uuid FROM tags WHERE key = 'run_digest'")
    client.delete_run(run_id)
    client.delete_model_version("pneumonia-phantom", "1")
    states = "SELECT lifecycle_stage FROM runs WHERE run_uuid = ?"
    assert database.execute(states, (run_id,)).fetchone() == ("deleted",)
    ((stage,),) = database.execute("SELECT current_stage FROM model_versions")
    assert stage == "Deleted_Internal"
