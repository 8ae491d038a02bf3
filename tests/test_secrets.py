"""A password in an address reaches its server and no file, log or message."""

import base64
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


def test_password_in_a_download_address_is_refused(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "pneumonia")
    workspace.params(
        {"fetch.source": "kermany", "fetch.url": f"https://ada:{PASSWORD}@127.0.0.1:9/images.zip"}
    )
    refused = workspace.run("dvc", "repro", expect=255)
    assert "fetch.url: expected an address without" in refused.stderr + refused.stdout
    assert PASSWORD not in refused.stderr + refused.stdout
