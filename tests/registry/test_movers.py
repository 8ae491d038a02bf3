"""Promotions by real processes: at once, killed, and on a server."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.registry import history
from stages.registry.store import Store, open_store
from tests.registry import fake
from tests.registry.test_gate import NAME, versions

pytestmark = pytest.mark.slow


@pytest.fixture
def three(client: Any, store: Store, tmp_path: Path) -> Any:
    return versions(client, store, tmp_path)


def start(
    root: Path, version: str, *, dies_at: str = "", wait_for: str = "", **environment: str
) -> subprocess.Popen[str]:
    """A promotion in a process of its own, in the repository `root`."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.registry.mover", version, dies_at, wait_for],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(fake.ROOT), **environment},
    )  # fmt: skip


def wait(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} never came")


def told(client: Any) -> list[tuple[str | None, str | None, str]]:
    return [
        (line.before, line.to, line.outcome)
        for line in history.lines(client, NAME) if line.alias == "champion"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dies_at", "points_at", "outcome"),
    [
        ("set_model_version_tag", "1", None),  # judged, and nothing begun
        ("create_run", "1", None),
        ("create_run!", "1", "broken off before the alias moved"),
        ("log_dict", "1", "broken off before the alias moved"),
        ("set_registered_model_alias", "1", "broken off before the alias moved"),
        ("set_registered_model_alias!", "2", "broken off after the alias moved"),
        ("set_terminated", "2", "broken off after the alias moved"),
        ("set_terminated!", "2", "made"),
    ],
)
def test_killed_anywhere_it_is_the_old_champion_or_the_new(
    three: Any, store: Store, tmp_path: Path, dies_at: str, points_at: str, outcome: str | None
) -> None:
    assert store.folder is not None
    history.move(three, store, NAME, "champion", "1", kind="promote", why="the first")
    killed = start(store.folder.parent, "2", dies_at=dies_at)
    _, said = killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL, said
    assert history.aliases_of(three, NAME)["champion"] == points_at
    made = (None, "1", "made")
    assert told(three) == [made, *([("1", "2", outcome)] if outcome else [])]
    # Nothing stays locked, and the next move is an ordinary one.
    history.move(three, store, NAME, "champion", "3", kind="promote", why="the next")
    assert told(three)[-1] == (points_at, "3", "made")


def test_two_at_once_on_one_host(three: Any, store: Store, tmp_path: Path) -> None:
    assert store.folder is not None
    root, go = store.folder.parent, tmp_path / "go"
    first = start(root, "1", wait_for=str(go))
    wait(tmp_path / "go.here")
    second = start(root, "2")
    _, refused = second.communicate(timeout=300)
    assert second.returncode == 1
    assert "another promotion or rollback under way" in refused
    go.touch()
    _, said = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert told(three) == [(None, "1", "made")]


@pytest.fixture
def served(store: Store, tmp_path: Path) -> Iterator[str]:
    """The address of an MLflow server with a store of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri,
         "--artifacts-destination", str(tmp_path / "served"), "--workers", "1",
         "--port", address.rpartition(":")[2]],
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def test_of_two_hosts_on_one_server_the_later_gives_up_on_record(
    three: Any, store: Store, served: str, tmp_path: Path
) -> None:
    hosts = [tmp_path / name for name in ("here", "there")]
    for host in hosts:  # a lock per host: each has a folder for temporary files of its own
        host.mkdir()
    go = tmp_path / "go"
    shared = {"MLFLOW_TRACKING_URI": served, "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
    slow = start(hosts[0], "1", wait_for=str(go), TMPDIR=str(hosts[0]), **shared)
    wait(tmp_path / "go.here")
    quick = start(hosts[1], "2", TMPDIR=str(hosts[1]), **shared)
    _, said = quick.communicate(timeout=300)
    assert quick.returncode == 0, said
    go.touch()
    _, refused = slow.communicate(timeout=300)
    assert slow.returncode == 1
    assert "nothing was moved here" in refused
    client = open_store(Store(served, None))
    assert history.aliases_of(client, NAME)["champion"] == "2"
    (won, lost) = told(client)
    assert won == (None, "2", "made")
    assert lost[:2] == ("2", "1")
    assert lost[2].startswith("lost a race: champion was moved by ")
