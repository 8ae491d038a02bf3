"""Whatever is sent gets an answer within the limits, in one shape, with nothing of it in there.

Row by row, through a real socket. Who may ask is in test_access.
"""

import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.serving.options import MIB
from tests.dicoms import SECRET, dicom_file
from tests.sample_images import encoded, picture
from tests.serving.running import BORDER, FORM, Reply, Running, form, running

IMAGE = encoded(picture("any"))
MARK = b"Mark0815XYZ"
"""Stands in what is sent, and never in what comes back."""

GREY16 = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(
        image_bytes=MIB,
        request_bytes=2 * MIB,
        images=4,
        connections=20,
        body_seconds=2,
        header_seconds=1,
    ) as one:
        yield one


def problem(reply: Reply) -> tuple[int, str]:
    """Check the shape of an error, and return its status and kind."""
    assert set(reply.json) == {"schema", "request_id", "error"}
    assert set(reply.json["error"]) == {"kind", "message", "action"}
    assert MARK not in reply.body
    assert b"Traceback" not in reply.body
    return reply.status, reply.json["error"]["kind"]


def refusal(reply: Reply) -> tuple[int, str]:
    """Check the shape of a refusal of one image, and return its status and reason."""
    [image] = reply.json["images"]
    assert image["refused"]["kind"] == "unreadable"
    assert image["probability"] is image["decision"] is None
    assert MARK not in reply.body
    assert SECRET.encode() not in reply.body
    return reply.status, image["refused"]["reason"]


def animation() -> bytes:
    frames = [Image.fromarray(picture(name)) for name in "abc"]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])


def bomb() -> bytes:
    """A PNG of a few kB whose pixels would take gigabytes."""
    small = bytearray(encoded(picture("any"), "PNG"))
    small[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


UNREADABLE = {
    "text": (MARK * 20, "expected a JPEG, PNG or DICOM image"),
    "PDF": (b"%PDF-1.7\n" + MARK, "expected a JPEG, PNG or DICOM image"),
    "nothing": (b"", "received an empty file"),
    "GIF": (encoded(picture("any"), "GIF"), "expected a JPEG, PNG or DICOM image"),
    "animation": (animation(), "animation of 3"),
    "truncated JPEG": (IMAGE[: len(IMAGE) // 2], "cut short or damaged"),
    "JPEG header alone": (b"\xff\xd8\xff" + MARK, "expected a JPEG, PNG or DICOM image"),
    "PNG with another chunk": (
        encoded(picture("any"), "PNG")[:8] + b"\0\0\0\4" + MARK[:4] + MARK,
        "expected a JPEG, PNG or DICOM image",
    ),
    "bomb": (bomb(), "expected at most 100,000,000 pixels, received 60000 x 60000"),
    "tiny": (encoded(picture("any", 8, 8)), "at least 16 x 16"),
    "one grey level": (encoded(np.full((64, 64), 7, np.uint8)), "one even grey"),
    "multi-frame DICOM": (dicom_file(GREY16, NumberOfFrames=3), "multi-frame DICOM of 3"),
    "colour DICOM": (
        dicom_file(GREY16, PhotometricInterpretation="RGB", SamplesPerPixel=3),
        "expected a grey DICOM",
    ),
    "DICOM of an unknown colour": (
        dicom_file(GREY16, PhotometricInterpretation=MARK.decode()),
        "expected a grey DICOM",
    ),
    "DICOM with an unknown syntax": (
        dicom_file(GREY16).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0"),
        "expected a transfer syntax",
    ),
    "DICOM without pixels": (dicom_file(GREY16)[:600], "DICOM"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_image_that_can_not_be_read_is_refused_with_the_reason(
    name: str, service: Running
) -> None:
    image, reason = UNREADABLE[name]
    status, found = refusal(service.judge(image))
    assert status == 422
    assert reason in found


def test_a_lateral_view_is_answered_with_a_caution(service: Running) -> None:
    reply = service.judge(dicom_file(GREY16, ViewPosition="LL"), kind="application/dicom")
    assert reply.status == 200
    assert reply.json["images"][0]["cautions"] == ["view position LL instead of AP or PA"]
    assert SECRET.encode() not in reply.body


@pytest.mark.parametrize("kind", ["image/jpeg", FORM])
def test_an_image_over_the_limit_is_refused(kind: str, service: Running) -> None:
    image = IMAGE + bytes(MIB)
    body = form(image) if kind == FORM else image
    reply = service.ask("POST", "/v1/images", body, {"Content-Type": kind})
    assert problem(reply) == (413, "too_large")


def test_a_request_over_the_limit_is_refused(service: Running) -> None:
    image = IMAGE + bytes(MIB * 9 // 10)
    reply = service.judge(image, image, image)
    assert problem(reply) == (413, "too_large")


def test_more_images_than_the_limit_are_refused(service: Running) -> None:
    assert service.judge(*[IMAGE] * 4).status == 200
    assert problem(service.judge(*[IMAGE] * 5)) == (413, "too_many_images")


def test_a_body_without_a_length_is_answered_within_the_limit(service: Running) -> None:
    parts = iter([IMAGE[:100], IMAGE[100:]])
    reply = service.ask("POST", "/v1/images", parts, {"Content-Type": "image/jpeg"})
    assert reply.status == 200


def test_a_body_without_a_length_is_refused_while_it_is_read(service: Running) -> None:
    with raw(service) as connection:
        connection.sendall(HEADER + b"Transfer-Encoding: chunked\r\n\r\n")
        sent, answered = 0, b""
        while not answered and sent < 50 * MIB:
            connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
            sent += 65536
            answered = waiting(connection)
    assert b" 413 " in answered
    assert sent < 10 * MIB  # of which most lies in the buffers of the sockets


def test_bodies_in_memory_are_bounded_over_all_requests() -> None:
    with running(waiting_bytes=100_000, image_bytes=MIB) as service:
        assert problem(service.judge(bytes(200_000))) == (503, "busy")
        assert service.judge(IMAGE).status == 200  # the room was given back


def test_a_slow_body_is_refused(service: Running) -> None:
    begin = time.monotonic()
    with raw(service) as connection:
        connection.sendall(HEADER + b"Content-Length: 1000\r\n\r\nabc")
        answered = b""
        while not answered and time.monotonic() < begin + 10:
            connection.sendall(b"a")  # a byte now and then keeps no request alive
            answered = waiting(connection, 0.2)
        answered += received(connection)
    assert b" 408 " in answered
    assert b"slow_body" in answered
    assert time.monotonic() < begin + 9


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1"], ids=["none", "part"]
)
def test_a_slow_header_ends_the_connection(sent: bytes, service: Running) -> None:
    begin = time.monotonic()
    with raw(service) as connection:
        connection.sendall(sent)
        assert connection.recv(1000) == b""
    assert time.monotonic() < begin + 9


def test_a_slow_second_header_ends_the_connection(service: Running) -> None:
    with raw(service) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        found = b""
        while not found.endswith(b"}"):
            found += connection.recv(4096)
        connection.sendall(b"GET /livez HTT")
        assert connection.recv(1000) == b""


def test_a_body_that_goes_on_after_the_refusal_ends_the_connection(service: Running) -> None:
    with raw(service) as connection:
        connection.sendall(HEADER.replace(b"jpeg", b"x") + b"Content-Encoding: br\r\n")
        connection.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        assert b" 415 " in connection.recv(4096)
        begin = time.monotonic()
        closed = False
        while not closed and time.monotonic() < begin + 10:
            try:
                connection.sendall(b"1\r\na\r\n")
                time.sleep(0.1)
            except OSError:
                closed = True
    assert closed


def test_too_many_connections_are_closed_and_the_others_answered(service: Running) -> None:
    open_ones = [raw(service) for _ in range(30)]
    time.sleep(0.1)
    closed = sum(waiting(one, 0.05) is None for one in open_ones)
    for one in open_ones:
        one.close()
    assert 10 <= closed < 30
    time.sleep(0.2)
    assert service.judge(IMAGE).status == 200


def test_a_connection_that_breaks_costs_nothing(service: Running) -> None:
    for cut in (10, len(HEADER), len(HEADER) + 30):
        with raw(service) as connection:
            connection.sendall((HEADER + b"Content-Length: 1000\r\n\r\nabc")[:cut])
    assert service.judge(IMAGE).status == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("text/plain", 415),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/related; boundary=x", 415),
        (f"multipart/{MARK.decode()}", 415),
        ("image/png; charset=utf-8", 200),
        ("IMAGE/JPEG", 200),
    ],
)
def test_bodies_of_other_types_are_refused(kind: str, status: int, service: Running) -> None:
    reply = service.judge(IMAGE, kind=kind)
    if status == 415:
        assert problem(reply) == (415, "content_type")
    assert reply.status == status


WHOLE = form(IMAGE)
FORMS = {
    "no boundary": (WHOLE, "multipart/form-data"),
    "a long boundary": (WHOLE, "multipart/form-data; boundary=" + "x" * 300),
    "another boundary": (WHOLE, "multipart/form-data; boundary=other"),
    "cut short": (WHOLE[:-20], FORM),
    "no parts": (f"--{BORDER}--\r\n".encode(), FORM),
    "nothing": (b"", FORM),
    "text": (MARK * 9, FORM),
    "many headers": (WHOLE.replace(b"Content-Type", b"X: y\r\n" * 50 + b"X"), FORM),
    "a long header": (WHOLE.replace(b"image.jpg", MARK * 1000), FORM),
    "a header without colon": (WHOLE.replace(b"Content-Type:", MARK), FORM),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_that_are_none_are_refused(name: str, service: Running) -> None:
    body, kind = FORMS[name]
    reply = service.ask("POST", "/v1/images", body, {"Content-Type": kind})
    assert problem(reply) == (400, "malformed")


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", MARK.decode(), "DOE^JANE.dcm", "a\\b", "%00"]
)
def test_the_name_of_an_image_is_used_for_nothing(name: str, service: Running) -> None:
    body = form(IMAGE, name=name)
    reply = service.ask("POST", "/v1/images", body, {"Content-Type": FORM})
    assert reply.status == 200
    assert name.encode() not in reply.body


@pytest.mark.parametrize(
    "sent",
    [
        MARK + b"\r\n\r\n",
        b"GET /livez HTTP\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",  # without a host
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + MARK * 2000 + b"\r\n\r\n",
        b"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1"
        + b"0" * 5000
        + b"\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(200),
    ],
    ids=["words", "version", "no host", "long", "negative", "two lengths", "huge length", "TLS"],
)
def test_what_is_no_request_gets_the_same_shape(sent: bytes, service: Running) -> None:
    with raw(service) as connection:
        connection.sendall(sent)
        answer = received(connection)
    status, _, rest = answer.partition(b" ")[2].partition(b" ")
    assert status in (b"400", b"413", b"431")
    assert b'"error"' in rest
    assert MARK not in answer


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/images", 405),
        ("DELETE", "/livez", 405),
        ("GET", f"/{MARK.decode()}", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("POST", "/v1/images/../../etc/passwd", 404),
    ],
)
def test_other_routes_and_methods(method: str, path: str, status: int, service: Running) -> None:
    assert problem(service.ask(method, path))[0] == status


def test_an_encoded_body_is_refused(service: Running) -> None:
    headers = {"Content-Type": "image/jpeg", "Content-Encoding": "gzip"}
    reply = service.ask("POST", "/v1/images", IMAGE, headers)
    assert problem(reply) == (415, "content_encoding")


HEADER = b"POST /v1/images HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"


def raw(service: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=10)


def waiting(connection: socket.socket, seconds: float = 0.0) -> Any:
    """Return what has come back so far: b"" for nothing, None if the connection was closed."""
    connection.settimeout(seconds)
    try:
        found = connection.recv(4096)
    except (BlockingIOError, TimeoutError):
        return b""
    except OSError:
        return None
    finally:
        connection.settimeout(10)
    return found or None


def received(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes or is silent."""
    found = b""
    while part := waiting(connection, 3):
        found += part
    return found
