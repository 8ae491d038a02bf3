"""Access, the answer log and metrics of a whole service, through its socket."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.engine.errors import InputError
from stages.serving.access import keys
from stages.serving.options import ServeOptions
from stages.serving.records.answer_chain import verify
from stages.serving.seams import FixedModel
from stages.serving.wiring import build
from tests.sample_images import encoded, picture
from tests.serving.running import Running, running

IMAGE = encoded(picture("a chest", 300, 280))


@dataclass
class Guarded:
    """A service with keys and an answer log."""

    running: Running
    folder: Path
    images: str
    metrics: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.images}"}

    @property
    def log(self) -> Path:
        return self.folder / "answers"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "keys.json"
    images, metrics = keys.add(file, "viewer", ["images"]), keys.add(file, "prom", ["metrics"])
    options = ServeOptions(port=0, workers=1, keys=file, answers=folder / "answers")
    with running(options=options) as service:
        yield Guarded(service, folder, images, metrics)


def test_an_answer_needs_a_key_and_leaves_a_line(guarded: Guarded) -> None:
    refused = guarded.running.ask("POST", "/v1/images", IMAGE)
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Bearer realm="pneumonia"'
    before = verify(guarded.log).answers
    answer = guarded.running.ask("POST", "/v1/images", IMAGE, guarded.bearer)
    assert answer.status == 200
    verdict = verify(guarded.log)
    assert (verdict.problems, verdict.answers) == ([], before + 1)
    newest = (guarded.log / "answers-000001.jsonl").read_text().splitlines()[-1]
    assert f'"who":"viewer","request":"{answer.json["request_id"]}"' in newest


def test_a_revoked_key_is_refused_by_the_next_request(guarded: Guarded) -> None:
    key = keys.add(guarded.folder / "keys.json", "guest", ["images"])
    bearer = {"Authorization": f"Bearer {key}"}
    assert guarded.running.get("/v1/model", bearer).status == 200
    keys.revoke(guarded.folder / "keys.json", "guest")
    assert guarded.running.get("/v1/model", bearer).status == 401


def test_metrics_have_a_scope_of_their_own(guarded: Guarded) -> None:
    assert guarded.running.get("/metrics").status == 401
    assert guarded.running.get("/metrics", guarded.bearer).status == 403
    bearer = {"Authorization": f"Bearer {guarded.metrics}"}
    answer = guarded.running.get("/metrics", bearer)
    assert answer.status == 200
    assert b'pneumonia_requests_total{code="401",route="/metrics"}' in answer.body
    assert guarded.running.get("/v1/model", bearer).status == 403


def test_without_a_line_there_is_no_answer(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    before = verify(guarded.log).answers
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        answer = guarded.running.ask("POST", "/v1/images", IMAGE, guarded.bearer)
    assert answer.status == 503
    assert answer.headers["retry-after"]
    assert answer.json["error"]["kind"] == "answer_log"
    assert "decision" not in answer.body.decode()
    assert verify(guarded.log).answers == before
    assert guarded.running.ask("POST", "/v1/images", IMAGE, guarded.bearer).status == 200


@pytest.mark.parametrize(
    "request_text",
    [
        "POST /v1/images HTTP/1.1\r\nHost: evil.example\r\n",
        "POST /v1/images HTTP/1.1\r\n",
        "POST /v1/images HTTP/1.0\r\n",
        "POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n",
        "POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n",
        "GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\n",
        "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \x00\r\n",
    ],
)
def test_requests_from_wrong_places_get_no_answer(guarded: Guarded, request_text: str) -> None:
    with socket.create_connection(("127.0.0.1", guarded.running.port), timeout=30) as connection:
        bearer = f"Authorization: Bearer {guarded.images}\r\nConnection: close\r\n\r\n"
        connection.sendall(request_text.encode() + bearer.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
    assert b"evil" not in answer


def test_a_refused_request_is_not_decoded_and_its_connection_goes_on(guarded: Guarded) -> None:
    connection = guarded.running.connect()
    connection.request("POST", "/v1/images", body=b"x" * 2_000_000)
    answer = connection.getresponse()
    assert answer.status == 401
    answer.read()
    connection.request("POST", "/v1/images", body=IMAGE, headers=guarded.bearer)
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.9.8.7"])
def test_a_service_that_others_reach_does_not_start_without_keys(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--host", host]) == 1
    assert "expected --keys FILE (make one with `pneumonia keys add`)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("mode", "run `chmod 600"),
        ("revoked", "expected a valid key"),
        ("none", "found no such file"),
    ],
)
def test_a_service_does_not_start_with_unusable_keys(
    tmp_path: Path, harm: str, problem: str
) -> None:
    file = tmp_path / "keys.json"
    keys.add(file, "one", ["images"])
    if harm == "mode":
        file.chmod(0o644)
    elif harm == "revoked":
        keys.revoke(file, "one")
    options = ServeOptions(port=0, keys=file)
    if harm == "none":
        file.unlink()
    with pytest.raises(InputError, match=problem):
        build(options, follower=FixedModel(None))


def test_a_name_or_site_that_is_none_is_an_error_of_its_option() -> None:
    with pytest.raises(InputError, match="--allow-host: expected a name or an address"):
        build(ServeOptions(port=0, allowed_hosts=("http://x",)), follower=FixedModel(None))
    with pytest.raises(InputError, match="--allow-origin: expected a site"):
        build(ServeOptions(port=0, allowed_origins=("x",)), follower=FixedModel(None))
