"""`POST /v1/images/overlay` and the files of the page, through the real socket."""

import contextlib
import http.client
import json
import select
import threading
from collections.abc import Iterator
from typing import Any, cast

import cv2
import numpy as np
import pytest

from stages.serving.seams import AnswerLine, FixedModel
from stages.serving.web import described
from stages.serving.web.answers import OUT_OF_DOMAIN
from stages.serving.web.headers import HEADERS
from stages.serving.web.page_files import page_files
from tests.serving.browser import BrightIsIll, bright_is_ill, grey_png
from tests.serving.running import FORM, Reply, Running, form, running, served_model

ILL, BRIGHT, RAW = grey_png(90), grey_png(190), {"Content-Type": "application/octet-stream"}


class Lines:
    """An answer log in memory."""

    def __init__(self) -> None:
        self.kept: list[AnswerLine] = []

    def write(self, lines: Any) -> None:
        self.kept += lines

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(bright_is_ill()) as started:
        yield started


def draw(service: Running, part: str = "", image: bytes = ILL) -> Reply:
    query = f"?part={part}" if part else ""
    return service.ask("POST", f"/v1/images/overlay{query}", image, RAW)


def shape(reply: Reply) -> tuple[int, ...]:
    picture: Any = cv2.imdecode(np.frombuffer(reply.body, np.uint8), cv2.IMREAD_UNCHANGED)
    return tuple(picture.shape)


@pytest.mark.parametrize(
    ("part", "expected"),
    [("judged", (32, 32)), ("drawn", (32, 32, 3)), ("map", (32, 32, 4))],
)
def test_each_part_is_a_picture_of_its_own(
    service: Running, part: str, expected: tuple[int, ...]
) -> None:
    reply = draw(service, part)
    assert (reply.status, shape(reply)) == (200, expected)
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["pneumonia-model"] == "m" * 64
    assert reply.headers["cache-control"] == "no-store"


def test_the_default_has_a_legend(service: Running) -> None:
    height, width, _ = shape(draw(service))
    assert width >= 560
    assert height > width
    assert draw(service).body == draw(service, "legend").body


def test_only_the_picture_that_says_the_decision_is_an_answer_to_be_logged(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Lines()
    monkeypatch.setattr(service.service, "_answer_log", log)
    for part in ("judged", "drawn", "map"):
        draw(service, part)
    assert log.kept == []
    draw(service)
    [line] = log.kept
    assert (line.decision, line.image, line.refused) == ("pneumonia", ILL, None)


def test_an_image_that_is_refused_has_no_map_but_what_was_judged(service: Running) -> None:
    for part in ("legend", "drawn", "map"):
        reply = draw(service, part, BRIGHT)
        assert (reply.status, reply.json["error"]["kind"]) == (422, OUT_OF_DOMAIN)
    assert shape(draw(service, "judged", BRIGHT)) == (32, 32)
    for part in ("judged", "drawn"):
        reply = draw(service, part, b"no image")
        assert (reply.status, reply.json["error"]["kind"]) == (422, "unreadable")
        assert b"no image" not in reply.body.replace(b"no image can", b"")


def test_an_unknown_part_and_several_images_are_refused(service: Running) -> None:
    reply = draw(service, "<script>")
    assert (reply.status, reply.json["error"]["kind"]) == (422, "part")
    assert b"script" not in reply.body
    several = service.ask("POST", "/v1/images/overlay", form(ILL, ILL), {"Content-Type": FORM})
    assert (several.status, several.json["error"]["kind"]) == (422, "one_image")


def test_a_version_of_format_1_has_no_picture(service: Running) -> None:
    follower = cast(FixedModel, service.service.follower)
    usual, follower.current = follower.current, served_model(BrightIsIll(), format=1)
    try:
        for part in ("judged", "drawn"):
            reply = draw(service, part)
            assert (reply.status, reply.json["error"]["kind"]) == (501, "no_picture")
    finally:
        follower.current = usual


class Stuck(BrightIsIll):
    """Draws when the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def overlay(self, pixels: Any) -> bytes:
        assert self.open.wait(60)
        return super().overlay(pixels)


def test_pictures_wait_in_a_short_queue_and_hold_up_no_answer() -> None:
    detector = Stuck()
    with (
        running(served_model(detector), queue_pictures=2) as service,
        contextlib.ExitStack() as waiting,
    ):
        path = "/v1/images/overlay?part=drawn"
        asked: dict[Any, http.client.HTTPConnection] = {}
        for _ in range(3):
            connection = waiting.enter_context(contextlib.closing(service.connect()))
            connection.request("POST", path, body=ILL, headers=RAW)
            asked[connection.sock] = connection
        [full], _, _ = select.select([*asked], [], [], 15)
        refused = asked.pop(full).getresponse()
        assert (refused.status, json.load(refused)["error"]["kind"]) == (503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        assert service.judge(ILL).json["images"][0]["decision"] == "pneumonia"
        assert draw(service, "judged").status == 200
        detector.open.set()
        assert [one.getresponse().status for one in asked.values()] == [200] * 2


def test_a_picture_that_takes_too_long_is_given_up_and_the_service_goes_on() -> None:
    detector = Stuck()
    with running(served_model(detector), picture_seconds=0.3) as service:
        refused = draw(service, "drawn")
        assert (refused.status, refused.json["error"]["kind"]) == (503, "busy")
        detector.open.set()
        replies = (draw(service, "drawn").status for _ in range(50))
        assert 200 in replies


def test_every_response_has_the_headers_that_bind_browsers(service: Running) -> None:
    page = page_files()
    replies = [
        *(service.get(path) for path in page),
        service.get("/v1/model"),
        service.get("/livez"),
        service.get("/openapi.json"),
        service.get("/nothing/here"),
        service.ask("DELETE", "/v1/images"),
        service.judge(ILL),
        service.judge(b"no image"),
        draw(service, "judged"),
        draw(service, "nonsense"),
        service.get("/", {"If-None-Match": page["/"].etag}),
    ]
    assert {reply.status for reply in replies} == {200, 304, 404, 405, 422}
    for name, value in HEADERS.items():
        if name != "Cache-Control":
            assert {reply.headers[name.lower()] for reply in replies} == {value}
    assert all("server" not in reply.headers for reply in replies)


def test_what_is_no_http_is_answered_with_the_same_headers(service: Running) -> None:
    with contextlib.closing(service.connect()) as connection:
        connection.connect()
        connection.sock.sendall(b"nonsense\r\n\r\n")
        answer = connection.sock.recv(65536).decode().lower()
    for name in HEADERS:
        assert f"\r\n{name.lower()}: " in answer


def test_files_are_cached_by_their_content(service: Running) -> None:
    for path, file in page_files().items():
        reply = service.get(path)
        assert (reply.status, reply.body) == (200, file.content)
        assert reply.headers["content-type"] == file.media_type
        assert reply.headers["cache-control"] == file.cache
        again = service.get(path, {"If-None-Match": f'"other", W/{file.etag}'})
        assert (again.status, again.body) == (304, b"")
        assert service.get(path, {"If-None-Match": '"other"'}).status == 200
        assert service.ask("HEAD", path).body == b""


@pytest.mark.parametrize(
    "path",
    ["/page/../options.py", "/page/%2e%2e/options.py", "/page/app.js", "/page/", "//etc/passwd"],
)
def test_no_other_file_can_be_had(service: Running, path: str) -> None:
    assert service.get(path).status == 404


def test_the_page_needs_no_version_to_be_loaded() -> None:
    with running(follower=FixedModel(None)) as service:
        assert service.get("/").status == 200
        assert draw(service).status == 503


def test_the_example_of_an_answer_has_the_fields_of_an_answer(service: Running) -> None:
    def fields(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {name: fields(value) for name, value in tree.items()}
        return [fields(one) for one in tree] if isinstance(tree, list) else None

    answer, example = fields(service.judge(ILL, BRIGHT).json), fields(described.ANSWER)
    assert answer == example


def test_openapi_describes_bodies_and_errors(service: Running) -> None:
    paths = service.get("/openapi.json").json["paths"]
    for path in ("/v1/images", "/v1/images/overlay"):
        post = paths[path]["post"]
        assert "application/dicom" in post["requestBody"]["content"]
        assert "503" in post["responses"]
    [part] = paths["/v1/images/overlay"]["post"]["parameters"]
    assert part["schema"]["enum"] == ["legend", "drawn", "judged", "map"]
    assert not any(path.startswith("/page") for path in paths)
