"""A password in an address reaches its server and no file, log or message."""

import base64
import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.workspace import Workspace, copy_tree

pytestmark = pytest.mark.slow
PASSWORD = "s3cret-of-ada"
HEADER = "Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode()


class Failing(http.server.BaseHTTPRequestHandler):
    """A tracking server that is healthy, fails every request and repeats its address."""

    credentials: ClassVar[set[str | None]] = set()

    def do_GET(self) -> None:
        self.credentials.add(self.headers["Authorization"])
        self.send_response(200 if self.path == "/health" else 500)
        self.end_headers()
        self.wfile.write(f"{self.path} {self.headers['Host']} failed".encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://ada:{PASSWORD}@127.0.0.1:{server.server_port}"
        server.shutdown()


def holding(workspace: Workspace) -> list[str]:
    """Return the files of the repository, those of DVC and git included, with the password."""
    return [
        str(path.relative_to(workspace.folder))
        for path in sorted(Path(workspace.folder).rglob("*"))
        if path.is_file() and PASSWORD.encode() in path.read_bytes()
    ]


def test_password_of_a_failing_tracking_server_is_not_written(tmp_path: Path, address: str) -> None:
    workspace = copy_tree(tmp_path / "pneumonia")
    server: dict[str, Any] = {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    ran = workspace.run("dvc", "repro", **server)
    synced = workspace.run("pneumonia", "sync", expect=1, **server)
    assert "registry: not everything was logged" in ran.stdout
    assert "error: http://127.0.0.1" in synced.stderr
    for finished in (ran, synced):
        assert PASSWORD not in finished.stdout + finished.stderr
    assert HEADER in Failing.credentials
    assert holding(workspace) == ["tests/test_secrets.py"]


def _arguments_of_descendants(pid: int) -> dict[int, bytes]:
    """Return what `ps` has of a process and all that it started, by process id."""
    found, waiting = {}, [pid]
    while waiting:
        each = waiting.pop()
        with contextlib.suppress(OSError):  # it has ended
            folder = Path(f"/proc/{each}")
            found[each] = (folder / "cmdline").read_bytes()
            for thread in (folder / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
    return found


def test_password_of_a_database_is_no_argument_of_the_pages_server(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "pneumonia")
    # SQLite ignores what it does not know in the address, as another database would not.
    database = f"file:{tmp_path}/runs.db?mode=rwc&password={PASSWORD}&uri=true"
    with (tmp_path / "output").open("w+b") as output:
        address = {"MLFLOW_TRACKING_URI": f"sqlite:///{database}"}
        with workspace.pages(output.fileno(), **address) as (page, pid):
            arguments = _arguments_of_descendants(pid)
        output.seek(0)
        printed = output.read()
    assert b"MLflow" in page
    assert (tmp_path / "runs.db").stat().st_size > 0  # the server uses the address
    assert len(arguments) >= 2
    assert any(b"mlflow\0server" in words for words in arguments.values())
    assert not [words for words in arguments.values() if PASSWORD.encode() in words]
    assert b"MLflow on sqlite:///file:" in printed
    assert PASSWORD.encode() not in printed


def test_password_in_a_download_address_is_refused(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "pneumonia")
    workspace.params(
        {"fetch.source": "kermany", "fetch.url": f"https://ada:{PASSWORD}@127.0.0.1:9/images.zip"}
    )
    refused = workspace.run("dvc", "repro", expect=255)
    assert "fetch.url: expected an address without" in refused.stderr + refused.stdout
    assert PASSWORD not in refused.stderr + refused.stdout
