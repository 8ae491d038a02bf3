"""The champion is found in the embedded store without MLflow, as MLflow finds it."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError, NotFound
from stages.registry import champion, moves
from stages.registry.champion import Champion, find_champion
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.publish import publish
from stages.registry.store import Store, find_store
from tests.registry import fake
from tests.registry.server import Server

NAME = "pneumonia-phantom"
FOUND = """
import json, sys
from pathlib import Path
from stages.registry.champion import find_champion
with find_champion(Path(sys.argv[1]), "pneumonia", None) as found:
    libraries = sorted({"mlflow", "pandas", "sqlalchemy"} & set(sys.modules))
    print(json.dumps([str(found), found.package_digest, str(found.package), libraries]))
"""


@pytest.fixture
def root(store: Store, client: Client, files: Path) -> Path:
    """A repository whose champion is version 1, with a digest on record."""
    publish(fake.release(files), store)
    move(client, store, "1", "a" * 64)
    assert store.folder is not None
    return store.folder.parent


def move(client: Client, store: Store, version: str, digest: str | None) -> None:
    moves.move_alias(
        client,
        store,
        NAME,
        "champion",
        version,
        kind="promote",
        why="a test",
        package_digest=digest,
    )


def find(root: Path, stem: str = "pneumonia", source: str | None = None) -> Champion:
    with find_champion(root, stem, source) as found:
        assert (found.package / "MLmodel").is_file()
        return found


@pytest.fixture
def by_mlflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Champion:
    """What is found where MLflow is asked."""
    (tmp_path / "MLmodel").touch()
    found = Champion(NAME, "7", tmp_path, "", None, sealed=False)
    monkeypatch.setattr(champion, "_through_mlflow", lambda *_: nullcontext(found))
    return found


def test_it_is_found_without_mlflow(root: Path) -> None:
    command = [sys.executable, "-c", FOUND, str(root)]
    done = subprocess.run(command, cwd=fake.ROOT, capture_output=True, text=True, check=True)
    label, digest, package, libraries = json.loads(done.stdout)
    assert (label, digest, libraries) == (f"{NAME} version 1", "a" * 64, [])
    assert (Path(package) / "MLmodel").is_file()


def test_mlflow_finds_the_same(root: Path, store: Store, client: Client) -> None:
    client.delete_registered_model_alias(NAME, "champion")
    move(client, store, "1", client.get_model_version(NAME, "1").tags["package_digest"])

    def names(found: Champion) -> list[Path]:
        return sorted(path.relative_to(found.package) for path in found.package.rglob("*"))

    quick = find(root)
    with champion._through_mlflow(store, "pneumonia", None) as complete:
        assert replace(complete, package=quick.package) == quick
        added = Path("registered_model_meta")
        assert [name for name in names(complete) if name != added] == names(quick)
    assert not complete.package.exists()


def test_what_the_last_move_recorded_goes_before_the_tag(
    root: Path, store: Store, client: Client
) -> None:
    client.set_model_version_tag(NAME, "1", "package_digest", "b" * 64)
    assert find(root).package_digest == "a" * 64
    client.delete_registered_model_alias(NAME, "champion")
    move(client, store, "1", "c" * 64)
    assert find(root).package_digest == "c" * 64


def test_an_alias_that_was_moved_by_hand_is_a_caution(
    root: Path, store: Store, client: Client, files: Path
) -> None:
    assert find(root).cautions == ()
    fake.write(files, model=b"another network")
    publish(fake.release(files), store)
    client.set_model_version_tag(NAME, "2", "package_digest", "b" * 64)
    client.set_registered_model_alias(NAME, "champion", "2")
    found = find(root)
    assert found.package_digest == "b" * 64
    [caution] = found.cautions
    assert f"{NAME} version 2: `champion` was moved to it by hand, past the gate" in caution
    assert "compared with its registration" in caution
    # By hand back to a version that was judged once: what was recorded then still holds.
    client.set_registered_model_alias(NAME, "champion", "1")
    move(client, store, "2", "b" * 64)
    assert find(root).cautions == ()
    client.set_registered_model_alias(NAME, "champion", "1")
    found = find(root)
    assert found.package_digest == "a" * 64
    [caution] = found.cautions
    assert "compared with the last move to it on record" in caution


def test_a_move_that_was_interrupted_before_the_alias_moved_is_no_caution(
    root: Path, store: Store, client: Client
) -> None:
    moves._create_record(client, store, NAME, "champion", before="1", to="2", tags={})
    assert find(root).cautions == ()


def test_a_moved_store_is_read_where_it_is(root: Path, by_mlflow: Champion) -> None:
    moved = root.with_name("moved, 100% é")
    shutil.move(root, moved)
    found = find(moved)
    assert found.package.is_relative_to(moved.resolve())
    assert found.package_digest == "a" * 64
    assert found != by_mlflow


def test_a_history_that_was_renamed_is_found(root: Path, client: Client) -> None:
    history = client.get_experiment_by_name(f"{NAME}-history")
    assert history is not None
    client.rename_experiment(history.experiment_id, "ours")  # type: ignore[attr-defined]
    assert find(root).package_digest == "a" * 64


def drop_a_table(database: sqlite3.Connection) -> None:
    database.execute("ALTER TABLE logged_models RENAME COLUMN artifact_location TO place")


def lock(database: sqlite3.Connection) -> None:
    database.execute("BEGIN EXCLUSIVE")


@pytest.mark.parametrize("spoil", [drop_a_table, lock], ids=lambda spoil: spoil.__name__)
def test_whatever_is_unexpected_is_left_to_mlflow(
    spoil: Callable[[sqlite3.Connection], None],
    root: Path,
    by_mlflow: Champion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stages.registry.mlflow_internals.tables.WAIT_S", 0.1)
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as database:
        spoil(database)
        assert find(root) == by_mlflow


def test_files_elsewhere_are_left_to_mlflow(root: Path, by_mlflow: Champion) -> None:
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as database, database:
        database.execute("UPDATE logged_models SET artifact_location = 's3://bucket/m'")
    assert find(root) == by_mlflow


def test_without_a_store_none_is_created(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"mlruns/ \(embedded\): expected one champion of pneumonia"):
        find(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_none_or_several_are_named(root: Path, client: Client) -> None:
    with pytest.raises(NotFound, match="one champion of pneumonia-kermany, found none"):
        find(root, source="kermany")
    with pytest.raises(NotFound, match="one champion of fracture, found none"):
        find(root, "fracture")
    client.create_registered_model("pneumonia-kermany")
    client.create_model_version("pneumonia-kermany", "file:///nowhere")
    client.set_registered_model_alias("pneumonia-kermany", "champion", "1")
    with pytest.raises(NotFound, match="found pneumonia-kermany, pneumonia-phantom"):
        find(root)
    assert find(root, source="phantom").name == NAME


@pytest.mark.slow
def test_of_a_server_its_files_are_downloaded_and_checked(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_imported: None
) -> None:
    server = Server(tmp_path / "server")
    try:
        server.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        store = find_store(tmp_path)
        publish(fake.release(files), store, limited=False)
        client = open_store(store)
        digest = client.get_model_version(NAME, "1").tags["package_digest"]
        move(client, store, "1", digest)
        with find_champion(tmp_path, "pneumonia", None) as found:
            assert found.open(None).digest == digest == found.package_digest
        assert not found.package.exists()
        [network] = (tmp_path / "server").rglob("model.keras")
        network.write_bytes(b"another")
        with (
            pytest.raises(InputError, match=f"{NAME} version 1: .*were changed"),
            find_champion(tmp_path, "pneumonia", None),
        ):
            pass
    finally:
        server.kill()
        reset_stores()


def reset_stores() -> None:
    """Forget the server, which other tests don't have."""
    import mlflow

    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
