"""Answers of the service, through a real socket."""

from collections.abc import Iterator

import pytest

from stages.engine.arrays import GrayImage
from stages.network.preparing import Prepared
from stages.serving.served import ServedModel
from stages.serving.web import described
from stages.serving.web.answer_schema import Answers, Problem
from stages.sources.phantom.probe_images import probe_images
from tests.serving.fake_detector import FakeDetector
from tests.serving.running import Running, running, served_model

IMAGES = [image for _, image in probe_images()][:12]


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running() as one:
        yield one


def expected(image: bytes) -> tuple[float | None, str | None]:
    detector = FakeDetector()
    pixels = detector.prepare(image).pixels
    assert pixels is not None
    [answer] = detector.answer(pixels[None])
    return answer.probability, answer.decision


def test_one_image_as_the_body_is_answered(service: Running) -> None:
    reply = service.judge(IMAGES[0], kind="image/jpeg")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    answer = reply.json
    assert (answer["schema"], answer["request_id"]) == (1, reply.headers["x-request-id"])
    assert answer["time"].endswith("Z")
    assert answer["model"]["name"] == "pneumonia-test"
    assert answer["model"]["figures"] == {
        "test": {"auroc": {"value": 0.9, "low": 0.8, "high": 0.95}}
    }
    [image] = answer["images"]
    assert (image["probability"], image["decision"]) == expected(IMAGES[0])
    assert (image["index"], image["refused"], image["cautions"]) == (0, None, [])


def test_each_image_of_a_form_has_an_entry_in_order(service: Running) -> None:
    reply = service.judge(IMAGES[0], b"no image", *IMAGES[1:])
    assert reply.status == 200
    images = reply.json["images"]
    assert [image["index"] for image in images] == list(range(len(IMAGES) + 1))
    assert images[1]["refused"]["kind"] == "unreadable"
    assert images[1]["probability"] is images[1]["decision"] is images[1]["domain"] is None
    answers = [(image["probability"], image["decision"]) for image in images]
    assert answers[:1] + answers[2:] == [expected(image) for image in IMAGES]


def test_an_image_that_the_model_refuses_is_an_answer(service: Running) -> None:
    refused = next(image for image in IMAGES if expected(image)[0] is None)
    reply = service.judge(refused)
    assert reply.status == 200
    [image] = reply.json["images"]
    assert image["refused"]["kind"] == "out_of_domain"
    assert image["probability"] is image["decision"] is None
    assert image["domain"]["score"] > image["domain"]["limit"] == 1


def test_the_percentile_is_the_share_of_reference_scores_below() -> None:
    model = served_model(domain_scores=(0.1, 0.2, 0.3, 0.4))
    assert [model.percentile(score) for score in (0.1, 0.25, 9)] == [0, 50, 100]
    assert served_model(domain_scores=()).percentile(0.1) is None


def test_a_version_without_packaged_preparing_decodes_by_itself() -> None:
    class Slow(FakeDetector):
        def prepare(self, image: bytes) -> Prepared:
            prepared = super().prepare(image)
            return Prepared(prepared.pixels, prepared.reason, ("by itself",))

    with running(served_model(Slow(), preparer=None, format=1)) as service:
        [image] = service.judge(IMAGES[0]).json["images"]
        assert image["cautions"] == ["by itself"]
        assert image["probability"] == expected(IMAGES[0])[0]


def test_health_says_what_answers(service: Running) -> None:
    assert service.get("/livez").json == {"live": True}
    ready = service.get("/readyz")
    assert (ready.status, ready.json["ready"]) == (200, True)
    model = service.get("/v1/model").json
    assert model["model"] == service.judge(IMAGES[0]).json["model"]
    assert model["status"]["loads"] == 1


def test_answers_are_as_openapi_describes_them(service: Running) -> None:
    for images in ([IMAGES[0]], [b"no image"], IMAGES):
        Answers.model_validate(service.judge(*images).json)
    Answers.model_validate(described.ANSWER)
    Problem.model_validate(service.get("/none").json)
    found = service.get("/openapi.json").json
    answers = found["paths"]["/v1/images"]["post"]["responses"]
    for status, name in (("200", "Answers"), ("422", "Answers"), ("413", "Problem")):
        schema = answers[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{name}"}
    assert found["components"]["schemas"]["Answers"]["required"][0] == "schema"


def test_openapi_lists_the_routes_that_answer(service: Running) -> None:
    for path, methods in service.get("/openapi.json").json["paths"].items():
        for method in methods:
            assert service.ask(method.upper(), path).status not in (404, 405), (method, path)


def test_nothing_answers_before_a_version_is_loaded() -> None:
    from stages.serving.seams import FixedModel

    with running(follower=FixedModel(None)) as service:
        assert service.get("/livez").status == 200
        ready = service.get("/readyz")
        assert (ready.status, ready.json["ready"]) == (503, False)
        for reply in (service.get("/v1/model"), service.judge(IMAGES[0])):
            assert (reply.status, reply.json["error"]["kind"]) == (503, "not_ready")
            assert reply.headers["retry-after"] == "5"


def test_a_request_is_answered_by_the_version_that_it_began_with() -> None:
    from stages.serving.seams import FixedModel

    follower = FixedModel(None)
    new = served_model(version="2")

    class Swapping(FakeDetector):
        def answer(self, pixels: GrayImage) -> list:  # type: ignore[type-arg]
            follower.current = new
            return super().answer(pixels)

    old: ServedModel = served_model(Swapping())
    follower.current = old
    with running(follower=follower) as service:
        assert service.judge(IMAGES[0]).json["model"]["version"] == "1"
        assert service.judge(IMAGES[0]).json["model"]["version"] == "2"
