"""Stores of another version of MLflow: an error with what to do, and the upgrade."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.engine.errors import InputError
from stages.registry.connection import describe_failure
from stages.registry.mlflow_internals.schema import revision_of
from stages.registry.publish import publish
from stages.registry.store import Store
from stages.registry.upgrade import database_of, upgrade_store
from tests.registry import fake
from tests.workspace import ROOT

BEFORE = "75868b020152"
"""The schema before that of the installed MLflow, without the tables that came with it."""
COMMANDS = ("model list", "model runs", "history --source phantom", "rollback --source phantom")


def downgrade(store: Store) -> Path:
    """Turn the embedded store into one of an earlier MLflow, and return its database."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine_with_retry

    database = database_of(store)
    assert database is not None
    engine = create_sqlalchemy_engine_with_retry(f"sqlite:///{database}")
    config = _get_alembic_config(str(engine.url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
    engine.dispose()
    return database


def set_revision(store: Store, revision: str) -> None:
    database = database_of(store)
    assert database is not None
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


@pytest.fixture
def root(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a repository with params and the embedded store."""
    assert store.folder is not None
    folder = store.folder.parent
    (folder / ".git").mkdir()
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("words", COMMANDS)
def test_an_earlier_database_is_named_with_the_command_that_upgrades_it(
    words: str,
    root: Path,
    store: Store,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    set_revision(store, BEFORE)
    assert main(words.split()) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(
        "error: mlruns/ (embedded): the database is of an earlier MLflow than"
    )
    assert printed.splitlines()[1:] == ["  pneumonia model upgrade"]


def test_it_is_upgraded_with_all_that_it_holds_and_a_backup(
    root: Path, store: Store, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(fake.release(files), store)
    present = revision_of(root / "mlruns/mlflow.db")
    database = downgrade(store)
    former = database.read_bytes()
    assert revision_of(database) == BEFORE
    # Another process, since MLflow keeps what it has opened.
    listed = subprocess.run(
        [sys.executable, "-m", "stages.commands.main", "model", "list"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stderr.splitlines()[-1] == "  pneumonia model upgrade"
    assert revision_of(database) == BEFORE  # nothing is upgraded unasked
    capsys.readouterr()
    assert main(["model", "upgrade"]) == 0
    backup = root / f"mlruns/mlflow-{BEFORE}.db"
    assert f"upgraded; the database of before is kept as {backup}" in capsys.readouterr().out
    assert (revision_of(database), revision_of(backup)) == (present, BEFORE)
    assert database.read_bytes() != former
    assert not list(root.glob("mlruns/*.upgrading"))
    assert main(["model", "list"]) == 0
    assert "pneumonia-phantom\t1\tcandidate" in capsys.readouterr().out
    assert "already registered" in publish(fake.release(files), store)
    assert main(["model", "upgrade"]) == 0
    assert capsys.readouterr().out == "mlruns/ (embedded): up to date\n"


def test_a_failed_upgrade_changes_nothing(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = downgrade(store)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlflow.store.db.utils._upgrade_db", fail)
    with pytest.raises(OSError, match="No space left"):
        upgrade_store(store)
    assert revision_of(database) == BEFORE
    assert not list(root.glob("mlruns/*.upgrading"))


def test_a_newer_database_is_an_error(
    root: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    set_revision(store, "ffffffffffff")
    for words in ("model list", "model upgrade"):
        assert main(words.split()) == 1
        assert "the database is of a newer MLflow" in capsys.readouterr().err


@pytest.mark.parametrize("words", [*COMMANDS, "model upgrade"])
def test_a_folder_of_files_is_an_error(
    words: str,
    root: Path,
    mlflow_imported: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("files").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (root / "files").as_uri())
    assert main(words.split()) == 1
    error, *commands = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {(root / 'files').as_uri()}: expected a")
    assert commands[0].startswith("  mlflow ")


def test_register_ends_with_what_to_do(store: Store, files: Path) -> None:
    set_revision(store, BEFORE)
    reported = publish(fake.release(files), store)
    assert reported.startswith("registry: not everything was logged; nothing is lost: ")
    assert reported.splitlines()[-1] == "  pneumonia model upgrade"


def test_an_error_of_ours_is_never_cut(store: Store) -> None:
    text = f"{'x ' * 500}:\n  pneumonia sync"
    assert describe_failure(store, InputError(text)) == text
    assert describe_failure(store, OSError("y" * 900)).endswith("yyy...")
    assert os.environ.get("MLFLOW_TRACKING_URI") is None
