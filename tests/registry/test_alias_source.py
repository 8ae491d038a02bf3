"""An alias is looked at, and its version copied, from the embedded store and from a server."""

import http.server
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.registry.alias_source import AliasSource, RegistryDown, alias_source
from stages.registry.connection import open_store
from stages.registry.publish import publish_unlimited
from stages.registry.sealed_package import open_sealed
from stages.registry.store import Store, named_store
from tests.registry import fake
from tests.registry.released import CANDIDATE, CHAMPION, PREVIOUS, Released
from tests.registry.server import Server
from tests.registry.test_gate import NAME


@pytest.fixture
def copy(released: Released, tmp_path: Path) -> Released:
    return released.copied(tmp_path / "repository")


def embedded(copy: Released, alias: str = "champion") -> AliasSource:
    return alias_source(named_store(str(copy.root)), NAME, alias)


def test_an_alias_of_the_embedded_store(copy: Released, tmp_path: Path) -> None:
    source = embedded(copy)
    assert source.version() == CHAMPION
    assert embedded(copy, "candidate").version() == CANDIDATE
    assert embedded(copy, "nobody").version() is None
    assert alias_source(copy.store, "pneumonia-other", "champion").version() is None
    record = source.record(CHAMPION)
    assert (record.version, record.sealed, record.commit, record.cautions) == (
        CHAMPION,
        True,
        "c0ffee",
        (),
    )
    (tmp_path / "new").mkdir()
    files = source.files(record, tmp_path / "new")
    assert files != record.package
    assert open_sealed(files, expected=record.package_digest, key=copy.key).digest
    client = open_store(copy.store)
    client.set_registered_model_alias(NAME, "champion", PREVIOUS)
    assert source.version() == PREVIOUS
    assert "moved to it by hand" in source.record(PREVIOUS).cautions[0]


ALONE = """
import json, sys
from pathlib import Path
from stages.registry.alias_source import alias_source
from stages.registry.store import named_store
source = alias_source(named_store(sys.argv[1]), "pneumonia-phantom", "champion")
record = source.record(source.version())
source.files(record, Path(sys.argv[2]))
print(json.dumps([record.version, sorted({"mlflow", "pandas", "sqlalchemy"} & set(sys.modules))]))
"""


def test_the_embedded_store_needs_no_mlflow_and_is_only_read(
    copy: Released, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    before = {path: path.stat().st_mtime_ns for path in copy.root.rglob("*")}
    command = [sys.executable, "-c", ALONE, str(copy.root), str(tmp_path / "new")]
    done = subprocess.run(command, cwd=fake.ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [CHAMPION, []]
    assert {path: path.stat().st_mtime_ns for path in copy.root.rglob("*")} == before


def test_a_store_that_was_moved_away_is_down_and_not_made_anew(copy: Released) -> None:
    source = embedded(copy)
    record = source.record(CHAMPION)
    copy.root.rename(copy.root.with_name("away"))
    for ask in (source.version, lambda: source.record(CHAMPION)):
        with pytest.raises(RegistryDown, match="expected the embedded store") as caught:
            ask()
        assert "/" not in caught.value.reason
    with pytest.raises(InputError, match="its files can't be copied"):
        source.files(record, copy.root.parent)
    assert not copy.root.exists()
    copy.root.with_name("away").rename(copy.root)
    assert source.version() == CHAMPION


def test_deleted_files_are_no_dead_registry(copy: Released, tmp_path: Path) -> None:
    source = embedded(copy)
    shutil.rmtree(source.record(CHAMPION).package)
    record = source.record(CHAMPION)
    (tmp_path / "new").mkdir()
    files = source.files(record, tmp_path / "new")  # of which MLflow finds none
    with pytest.raises(InputError, match=r"package\.json: it is missing; `pneumonia sync` stores"):
        replace(record, package=files).open(copy.key)


def test_files_outside_of_the_store_are_found_by_mlflow(copy: Released, tmp_path: Path) -> None:
    source = embedded(copy)
    before = source.record(CHAMPION)
    before.package.rename(tmp_path / "elsewhere")
    place, model = (tmp_path / "elsewhere").as_uri(), f"%{before.package.parent.name}%"
    with closing(sqlite3.connect(copy.root / "mlruns/mlflow.db")) as database, database:
        for table, column in (
            ("logged_models", "artifact_location"),
            ("model_versions", "storage_location"),
        ):
            database.execute(
                f"UPDATE {table} SET {column} = ? WHERE {column} LIKE ?", (place, model)
            )
    (tmp_path / "new").mkdir()
    record = source.record(CHAMPION)
    assert replace(record, package=before.package) == before
    files = source.files(record, tmp_path / "new")
    assert open_sealed(files, expected=record.package_digest, key=copy.key).digest


def test_a_link_or_a_pipe_is_not_followed(copy: Released, tmp_path: Path) -> None:
    source = embedded(copy)
    record = source.record(CHAMPION)
    (record.package / "secret").symlink_to("/etc/passwd")
    (tmp_path / "new").mkdir()
    files = source.files(record, tmp_path / "new")
    assert (files / "secret").is_symlink()
    os.mkfifo(record.package / "pipe")
    (tmp_path / "newer").mkdir()
    with pytest.raises(InputError, match="its files can't be copied"):
        source.files(record, tmp_path / "newer")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://user:secret@registry.example.org", "https://registry.example.org"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
    ],
)
def test_an_address_is_a_store(address: str, found: str) -> None:
    assert str(named_store(address)) == found
    assert named_store(address).folder is None


def test_a_folder_is_the_embedded_store_in_it(copy: Released) -> None:
    for folder in (copy.root, copy.root / "mlruns"):
        assert named_store(str(folder)).folder == copy.root.resolve() / "mlruns"
    assert named_store("elsewhere").folder == Path.cwd() / "elsewhere/mlruns"


def test_the_address_of_a_store_stays_while_its_folder_is_away(tmp_path: Path) -> None:
    for name in ("repository", "store"):
        folder = tmp_path / name
        database = folder / ("mlruns/mlflow.db" if name == "repository" else "mlflow.db")
        database.parent.mkdir(parents=True)
        database.touch()
        before = named_store(str(folder)).address
        folder.rename(tmp_path / "away")
        assert named_store(str(folder)).address == before == str(folder)
        shutil.rmtree(tmp_path / "away")
    assert named_store(str(tmp_path / "mlruns")).address == str(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server")
    server.start()
    yield server
    server.kill()


@pytest.mark.slow
def test_an_alias_of_a_server_that_ends_and_comes_back(
    server: Server, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.setenv(name, "1")
    store = Store(server.uri, None)
    publish_unlimited(fake.release(files), store, candidate=True)
    source = alias_source(store, NAME, "candidate")
    assert source.version() == "1"
    assert alias_source(store, NAME, "champion").version() is None
    assert alias_source(store, "pneumonia-other", "champion").version() is None
    record = source.record("1")
    (tmp_path / "new").mkdir()
    copied = source.files(record, tmp_path / "new")
    assert open_sealed(copied, expected=record.package_digest, key=None).model_digest
    server.kill()
    with pytest.raises(RegistryDown, match=r"127\.0\.0\.1") as caught:
        source.version()
    assert caught.value.reason == "the registry does not answer"
    (tmp_path / "newer").mkdir()
    with pytest.raises(InputError, match="can't be downloaded"):
        source.files(record, tmp_path / "newer")
    server.start()
    assert source.version() == "1"


def test_a_refused_login_is_told_from_a_dead_server(
    mlflow_imported: None,
) -> None:
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 401)
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    store = Store(f"http://someone:secret@127.0.0.1:{server.server_port}", None)
    source = alias_source(store, NAME, "champion")
    try:
        with pytest.raises(RegistryDown, match="refused the login; set MLFLOW_TRACK") as caught:
            source.version()
    finally:
        server.shutdown()
        server.server_close()
    assert caught.value.reason == "the registry refuses the login"
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_once() -> None:
    source = alias_source(Store("http://127.0.0.1:9", None), NAME, "champion")
    with pytest.raises(RegistryDown, match="received no answer") as caught:
        source.version()
    assert str(caught.value).count("http://127.0.0.1:9") == 1


def test_a_defect_is_not_taken_for_a_dead_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(_: object) -> None:
        raise ZeroDivisionError

    source = alias_source(Store("https://registry.example.org", None), NAME, "champion")
    monkeypatch.setattr("stages.registry.connection.open_store", defect)
    with pytest.raises(ZeroDivisionError):
        source.version()
