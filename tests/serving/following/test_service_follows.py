"""The service as users run it follows its registry, and answers on without it."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.engine.files import sha256_file
from stages.registry.connection import open_store
from stages.registry.store import Store, find_store
from tests.bench.alias_moves import (
    Load,
    different_bits,
    move_about,
    prepared,
    service_of,
    strangers,
)
from tests.registry import tiny
from tests.registry.server import Server
from tests.serving.real_versions import LARGER, SMALL, move
from tests.serving.serving_process import ServingProcess

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_imported")]

IMAGE = tiny.image(140)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A repository with a store, and the number of each of its versions by kind."""
    root = tmp_path_factory.mktemp("made") / "repository"
    root.mkdir()
    return root, prepared(root)


@pytest.fixture
def root(made: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "repository"))


@pytest.fixture
def service(root: Path, tmp_path: Path) -> Iterator[ServingProcess]:
    service = service_of(str(root), tmp_path)
    yield service
    service.kill()


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        time.sleep(0.1)


def answer(service: ServingProcess) -> tuple[str, Any, list[str]]:
    """Return version, answer and cautions of the version for one image."""
    reply = service.running.judge(IMAGE)
    assert reply.status == 200, reply.body
    return reply.json["model"]["version"], reply.json["images"], reply.json["model"]["cautions"]


def test_requests_go_on_while_the_alias_moves(
    made: tuple[Path, dict[str, str]], root: Path, service: ServingProcess
) -> None:
    store = find_store(root)
    client = open_store(store)
    service.start()
    load = Load(service, clients=3)
    threads = load.run()
    try:
        found = move_about(service, client, store, made[1], moves=4, pause_s=1)
    finally:
        load.stop.set()
        for thread in threads:
            thread.join()
    assert [one.problem for one in load.asked if one.problem] == []
    assert strangers(load.asked, found.changes) == 0
    assert different_bits(load.asked) == 0
    assert {one.version for one in load.asked} == set(made[1].values()) - {made[1]["does not load"]}
    assert service.end() == 0


def test_killed_under_load_it_starts_again_without_its_registry(
    made: tuple[Path, dict[str, str]], root: Path, service: ServingProcess
) -> None:
    service.start()
    expected = answer(service)
    load = Load(service, clients=3)
    threads = load.run()
    until(lambda: len(load.asked) > 20)
    assert service.end(signal.SIGKILL) == -signal.SIGKILL
    load.stop.set()
    for thread in threads:
        thread.join()
    # What was under way ends with the connection; nothing before it failed.
    assert {one.problem for one in load.asked} - {
        None,
        "ConnectionRefusedError",
        "ConnectionResetError",
        "RemoteDisconnected",
    } == set()
    root.rename(root.with_name("away"))
    service.start()
    version, images, cautions = answer(service)
    assert (version, images) == expected[:2]
    assert cautions[0].endswith("no registry has confirmed that it still should")
    assert cautions[1:] == expected[2]
    status = service.status()
    assert (status["kept"], status["registry_up"]) == (True, False)
    assert status["registry_reason"] == "the embedded store can't be read"
    ready = service.running.get("/readyz")
    assert (ready.status, ready.json["kept"]) == (200, True)
    root.with_name("away").rename(root)
    until(lambda: not service.status()["kept"])
    assert answer(service) == expected
    store = find_store(root)
    move(open_store(store), store, "champion", made[1][LARGER])
    until(lambda: service.version() == made[1][LARGER])
    root.rename(root.with_name("away"))  # and in use
    until(lambda: service.status()["registry_up"] is False)
    assert answer(service)[0] == made[1][LARGER]
    assert not root.exists()


def test_it_follows_a_server_that_ends_and_comes_back(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    service = service_of(server.uri, tmp_path)
    server.start()
    try:
        (tmp_path / "elsewhere").mkdir()
        versions = prepared(tmp_path / "elsewhere", MLFLOW_TRACKING_URI=server.uri)
        service.start()
        assert answer(service)[0] == versions[SMALL]
        server.signal(signal.SIGSTOP)  # it accepts connections and answers none
        until(lambda: service.status()["registry_up"] is False)
        assert answer(service)[0] == versions[SMALL]
        server.signal(signal.SIGCONT)
        until(lambda: service.status()["registry_up"] is True)
        server.kill()
        until(lambda: service.status()["registry_up"] is False)
        assert answer(service)[0] == versions[SMALL]
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
        service.start()
        assert service.status()["kept"] is True
        assert answer(service)[0] == versions[SMALL]
        server.start()
        until(lambda: not service.status()["kept"])
        store = Store(server.uri, None)
        move(open_store(store), store, "champion", versions[LARGER])
        until(lambda: service.version() == versions[LARGER])
        assert service.end() == 0
    finally:
        server.kill()
        service.kill()


def test_what_it_writes_is_in_the_folder_of_kept_versions_and_nobody_elses(
    root: Path, service: ServingProcess, tmp_path: Path
) -> None:
    before = {path: sha256_file(path) for path in root.rglob("*") if path.is_file()}
    service.start()
    answer(service)
    assert {path: sha256_file(path) for path in root.rglob("*") if path.is_file()} == before
    assert [*service.folder.iterdir()] == []
    for path in (tmp_path / "kept").rglob("*"):
        assert path.lstat().st_uid == os.geteuid()
        assert path.lstat().st_mode & 0o077 == 0 or path.name == ".lock"
