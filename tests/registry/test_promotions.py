"""Promotions by real processes: concurrent, killed, and on a server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.registry.aliases import alias_versions
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.history import DONE, alias_history
from stages.registry.moves import move_alias
from stages.registry.store import Store
from tests.registry import fake
from tests.registry.server import Server
from tests.registry.test_gate import NAME, create_versions

pytestmark = pytest.mark.slow


@pytest.fixture
def three(client: Client, store: Store, tmp_path: Path) -> Client:
    return create_versions(client, store, tmp_path)


def start(
    root: Path, version: str, *, killed_at: str = "", wait_for: str = "", **environment: str
) -> subprocess.Popen[str]:
    """Start a promotion in a process of its own, in the repository `root`."""
    module = ["-m", "tests.registry.promoter", version, killed_at, wait_for]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *module],
        cwd=root,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(fake.ROOT), **environment},
    )


def wait(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} was not created")


def champion_moves(client: Client) -> list[tuple[str | None, str | None, str]]:
    return [
        (line.before, line.to, line.outcome)
        for line in alias_history(client, NAME)
        if line.alias == "champion"
    ]


BEFORE, AFTER = (f"interrupted {when} the alias moved" for when in ("before", "after"))


@pytest.mark.parametrize(
    ("killed_at", "points_at", "outcome"),
    [
        ("set_model_version_tag", "1", None),  # assessed, and nothing recorded
        ("create_run", "1", None),
        ("create_run!", "1", BEFORE),
        ("log_dict", "1", BEFORE),
        ("set_registered_model_alias", "1", BEFORE),
        ("set_registered_model_alias!", "2", AFTER),
        ("set_terminated", "2", AFTER),
        ("set_terminated!", "2", DONE),
    ],
)
def test_a_promotion_killed_anywhere_leaves_the_old_champion_or_the_new_one(
    three: Client, store: Store, killed_at: str, points_at: str, outcome: str | None
) -> None:
    assert store.folder is not None
    move_alias(three, store, NAME, "champion", "1", kind="promote", why="the first")
    killed = start(store.folder.parent, "2", killed_at=killed_at)
    _, errors = killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL, errors
    assert alias_versions(three, NAME)["champion"] == points_at
    first = (None, "1", DONE)
    assert champion_moves(three) == [first, *([("1", "2", outcome)] if outcome else [])]
    # Nothing stays locked, and the next move succeeds.
    move_alias(three, store, NAME, "champion", "3", kind="promote", why="the next")
    assert champion_moves(three)[-1] == (points_at, "3", DONE)


def test_the_second_of_two_promotions_on_one_host_is_refused(
    three: Client, store: Store, tmp_path: Path
) -> None:
    assert store.folder is not None
    root, go = store.folder.parent, tmp_path / "go"
    first = start(root, "1", wait_for=str(go))
    wait(tmp_path / "go.here")
    second = start(root, "2")
    _, refused = second.communicate(timeout=300)
    assert second.returncode == 1
    assert "another promotion or rollback is in progress" in refused
    go.touch()
    _, errors = first.communicate(timeout=300)
    assert first.returncode == 0, errors
    assert champion_moves(three) == [(None, "1", DONE)]


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    """A server on the store's database."""
    server = Server(tmp_path / "server", database=store.uri)
    server.start()
    yield server
    server.kill()


def test_of_two_hosts_on_one_server_the_later_gives_up_and_records_it(
    three: Client, server: Server, tmp_path: Path
) -> None:
    hosts = [tmp_path / name for name in ("here", "there")]
    for host in hosts:  # each has its own cache folder, and so its own lock
        host.mkdir()
    go = tmp_path / "go"
    shared = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
    slow = start(hosts[0], "1", wait_for=str(go), XDG_CACHE_HOME=str(hosts[0]), **shared)
    wait(tmp_path / "go.here")
    quick = start(hosts[1], "2", XDG_CACHE_HOME=str(hosts[1]), **shared)
    _, errors = quick.communicate(timeout=300)
    assert quick.returncode == 0, errors
    go.touch()
    _, refused = slow.communicate(timeout=300)
    assert slow.returncode == 1
    assert "nothing was moved" in refused
    client = open_store(Store(server.uri, None))
    assert alias_versions(client, NAME)["champion"] == "2"
    (won, lost) = champion_moves(client)
    assert won == (None, "2", DONE)
    assert lost[:2] == ("2", "1")
    assert lost[2].startswith("lost a race: champion was moved by ")
