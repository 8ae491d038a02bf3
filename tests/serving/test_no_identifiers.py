"""Nothing that names a person gets out of a request: into files, logs, metrics, answers, dumps."""

import base64
import hashlib
import signal
import socket
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.engine.arrays import GrayImages
from stages.network.detector import Answer
from stages.serving.web.answers import unreadable
from tests.serving.fake_detector import FakeDetector
from tests.serving.identifiers import (
    ALL,
    DATES,
    IDS,
    NAMES,
    files,
    form_of,
    found_in,
    headers_naming,
)
from tests.serving.running import BORDER, FORM, Reply, running, served_model
from tests.serving.service_process import ServiceProcess, service_process

COUNT = 100


def test_every_identifier_is_found_in_every_form() -> None:
    assert len({*ALL}) == 40
    for identifier in ALL:
        for codec in ("utf-8", "utf-16-le"):
            raw = identifier.encode(codec)
            assert identifier in found_in(b"x" + raw + b"y")
            assert identifier in found_in(raw.hex().encode())
            for shift in range(3):
                assert identifier in found_in(base64.b64encode(b"x" * shift + raw + b"yz"))
        assert identifier in found_in(urllib.parse.quote(identifier).encode())
        for name in ("md5", "sha1", "sha256"):
            assert identifier in found_in(
                hashlib.new(name, identifier.encode()).hexdigest().encode()
            )
    assert found_in(b"pneumonia 0.5 20261127 1.2.840.10008.1.2.1") == set()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    with service_process(folder, environment={"PYTHONFAULTHANDLER": "1"}) as one:
        yield one


def everything(reply: Reply) -> bytes:
    headers = "".join(f"{name}: {value}\n" for name, value in reply.headers.items())
    return f"{reply.status}\n{headers}\n".encode() + reply.body


def requests() -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Yield the requests of careless programs with 100 DICOM files."""
    sent = list(files(COUNT))
    for number, each in enumerate(sent):
        named = headers_naming(number) | {"Content-Type": "application/dicom"}
        query = urllib.parse.urlencode({"patient": NAMES[number % 10], "id": IDS[number % 10]})
        yield "POST", f"/v1/images?{query}", each.data, named
        if number % 5 == 0:
            yield "POST", f"/v1/images/overlay?{query}&part={IDS[3]}", each.data, named
    for start in range(0, COUNT, 5):
        form = form_of(sent[start : start + 5], BORDER)
        yield "POST", "/v1/images", form, {"Content-Type": FORM}
        yield "POST", "/v1/images", form[:-9], {"Content-Type": FORM}
    for number, identifier in enumerate(ALL):
        path = urllib.parse.quote(identifier)
        border = {"Content-Type": f"multipart/form-data; boundary={path}"}
        yield "GET", f"/v1/images/{path}", b"", headers_naming(number)
        yield "GET", f"/{path}?{path}={path}", b"", {"Authorization": f"Bearer {path}"}
        yield "POST", "/v1/images", sent[number].data, {"Content-Type": f"image/{path}"}
        yield "POST", "/v1/images", sent[number].data, border
        yield "GET", "/v1/model", b"", {"Host": path}
        yield "GET", "/v1/model", b"", {"Origin": f"http://{path}"}
        yield "POST", "/v1/images", b"", {"Content-Encoding": path}
        yield "GET", f"/page/{path}", b"", {"Range": path, "If-None-Match": path}
    yield "GET", "/metrics", b"", {}


def raw_requests() -> Iterator[bytes]:
    """Yield what is no HTTP, or not quite."""
    for identifier in ALL:
        raw = identifier.encode()
        yield raw + b" /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        yield b"GET /" + raw + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        yield b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + raw + b"\r\n\r\n"
        yield b"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + raw + b"\r\n\r\n"


@pytest.mark.slow
def test_nothing_written_or_answered_names_a_person(service: ServiceProcess) -> None:
    asked: set[str] = set()
    statuses: dict[int, int] = {}
    for method, path, body, headers in requests():
        reply = service.ask(method, path, body, headers)
        asked |= found_in(body + path.encode() + repr(headers).encode())
        statuses[reply.status] = statuses.get(reply.status, 0) + 1
        assert not found_in(everything(reply)), (method, path, everything(reply))
    assert len(asked) == 40
    assert statuses[200] > 60
    assert statuses[422] > 20
    assert 500 not in statuses
    for text in raw_requests():
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert not found_in(answer), answer
    written = dict(service.everything_written())
    assert {"answers/answers-000001.jsonl", "answers/head", "output"} <= written.keys()
    assert written["answers/answers-000001.jsonl"].count(b'"image"') > COUNT
    assert written["output"].count(b"request id=") > COUNT
    for name, content in written.items():
        assert not found_in(name.encode() + b"\n" + content), name


@pytest.mark.slow
def test_nothing_in_a_crash_names_a_person(service: ServiceProcess) -> None:
    """While requests are on their way. The stacks that Python dumps have no contents."""
    sent = [form_of(list(files(20)), BORDER) for _ in range(3)]
    connections = [service.connect() for _ in sent]
    for connection, body in zip(connections, sent, strict=True):
        connection.request("POST", f"/v1/images?born={DATES[0]}", body, {"Content-Type": FORM})
    time.sleep(0.1)
    service.process.send_signal(signal.SIGABRT)
    service.process.wait(60)
    for connection in connections:
        connection.close()
    written = dict(service.everything_written())
    assert b"Fatal Python error: Aborted" in written["output"]
    assert not [name for name in written if "core" in Path(name).name]
    for name, content in written.items():
        assert not found_in(name.encode() + b"\n" + content), name


class Quoting(FakeDetector):
    """Fails as a library does that quotes what it was given."""

    def answer(self, pixels: GrayImages) -> list[Answer]:
        raise ValueError(f"can't judge {NAMES[0]}: {IDS[0]}")


def test_nothing_in_a_fault_names_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    sent = next(files(1))
    with running(served_model(Quoting())) as service:
        reply = service.ask("POST", "/v1/images", sent.data, headers_naming(0))
    assert reply.status == 500
    assert reply.json["error"]["kind"] == "internal"
    logged = capsys.readouterr().err
    assert "fault where=ValueError at " in logged
    assert "serving/test_no_identifiers.py:" in logged
    assert not found_in(everything(reply) + logged.encode())


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("expected one frame, received a multi-frame DICOM of 19380313", "... of ..."),
        ("a syntax, received 1.2.826.0.1.3680043.8.498100; store", "received ...; store"),
        ("its window (centre 1.93001e+07, width 3) does", "(centre ..., width 3)"),
        ("expected at most 100,000,000 pixels, received 20000 x 9", "100,000,000 pixels"),
        ("expected at most 100,000,000 pixels, received 20000 x 9", "20000 x 9"),
        ("ratio at most 4, received 0.123", "received 0.123"),
    ],
)
def test_a_reason_has_no_numbers_that_could_name_a_person(reason: str, sent: str) -> None:
    assert sent.removeprefix("... ") in unreadable(reason).reason
