"""What waits, how much of it, and that nothing of it changes an answer."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from stages.engine.arrays import GrayImages
from stages.network.detector import Answer
from stages.serving.answering.batcher import ENOUGH, MOST, PATIENCE_SECONDS, Batcher
from stages.serving.seams import NoMetrics
from stages.sources.phantom.probe_images import probe_images
from tests.serving.fake_detector import FakeDetector
from tests.serving.running import running, served_model

IMAGES = [image for _, image in probe_images()]


@dataclass
class Blocked(FakeDetector):
    """Answers when the test allows it, and notes how many it was asked for at a time."""

    open: threading.Event = field(default_factory=threading.Event)
    asked: list[int] = field(default_factory=list)

    def answer(self, pixels: GrayImages) -> list[Answer]:
        self.asked.append(len(pixels))
        assert self.open.wait(60)
        return super().answer(pixels)


def test_a_full_queue_is_said_and_what_waits_is_answered() -> None:
    detector = Blocked()
    with running(served_model(detector), queue_images=4) as service, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(service.judge, IMAGES[0]) for _ in range(4)]
        while not detector.asked or service.service.admitted < 4:
            time.sleep(0.01)
        for images in ([IMAGES[0]], IMAGES[:3]):
            reply = service.judge(*images)
            assert (reply.status, reply.json["error"]["kind"]) == (503, "busy")
            assert reply.headers["retry-after"] == "1"
        detector.open.set()
        assert [reply.result().status for reply in waiting] == [200] * 4
        assert service.judge(*IMAGES[:4]).status == 200
        too_many = service.judge(*IMAGES[:5])
        assert too_many.status == 503  # more than fit at any time


def test_what_waits_is_answered_together() -> None:
    detector = Blocked()
    batcher, served = Batcher(NoMetrics()), served_model(detector)
    pixels = [np.full((4, 4), number, np.uint8) for number in range(MOST + 5)]
    answers = [batcher.answer(served, pixels[0])]
    while not detector.asked:
        time.sleep(0.01)
    answers += [batcher.answer(served, image) for image in pixels[1:]]
    detector.open.set()
    found = [answer.result(60) for answer in answers]
    assert detector.asked == [1, MOST, 4]
    assert found == [FakeDetector().answer(image[None])[0] for image in pixels]
    batcher.close()


def test_an_image_waits_for_those_that_are_being_decoded_but_not_long() -> None:
    detector = Blocked()
    detector.open.set()
    batcher, served = Batcher(NoMetrics()), served_model(detector)
    pixels = np.zeros((4, 4), np.uint8)
    with batcher.expecting() as arrive:
        with batcher.expecting() as first:
            answer = first(served, pixels)
        assert not detector.asked  # another one is being decoded
        other = arrive(served, pixels)
    assert answer.result(60) == other.result(60)
    assert detector.asked == [2]
    with batcher.expecting():
        assert batcher.answer(served, pixels).result(60)  # however long the decoding takes
        many = [batcher.answer(served, pixels) for _ in range(ENOUGH)]
        begin = time.monotonic()
        assert all(one.result(60) for one in many)
        assert time.monotonic() < begin + PATIENCE_SECONDS
    with contextlib.suppress(RuntimeError), batcher.expecting():
        raise RuntimeError  # what could not be decoded is expected no more
    begin = time.monotonic()
    assert batcher.answer(served, pixels).result(60)
    assert time.monotonic() < begin + PATIENCE_SECONDS
    batcher.close()


class ByPlace(FakeDetector):
    """Answers by the place in a batch, as some networks do in the last bits."""

    def answer(self, pixels: GrayImages) -> list[Answer]:
        return [Answer(place / 100, "normal", 0.0, None) for place in range(len(pixels))]


def test_where_the_place_matters_each_image_has_the_first_one() -> None:
    for matters, expected in ((False, [0.0, 0.01, 0.02]), (True, [0.0, 0.0, 0.0])):
        with running(served_model(ByPlace(), place_matters=matters)) as service:
            entries = service.judge(*IMAGES[:3]).json["images"]
            assert sorted(entry["probability"] for entry in entries) <= expected
            if matters:
                assert [entry["probability"] for entry in entries] == expected


def test_versions_do_not_mix_in_a_batch() -> None:
    class Own(FakeDetector):
        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

        def answer(self, pixels: GrayImages) -> list[Answer]:
            return [Answer(self.share, "normal", 0.0, None) for _ in pixels]

    batcher = Batcher(NoMetrics())
    versions = [served_model(Own(share)) for share in (0.1, 0.2)]
    blocked = Blocked()
    first = batcher.answer(served_model(blocked), np.zeros((4, 4), np.uint8))
    while not blocked.asked:
        time.sleep(0.01)
    sizes = (4, 8)  # another version may take images of another size
    answers = [
        (place, batcher.answer(versions[place], np.zeros((sizes[place],) * 2, np.uint8)))
        for place in (0, 1, 1, 0, 1)
    ]
    blocked.open.set()
    assert first.result(60)
    for place, answer in answers:
        assert answer.result(60).probability == versions[place].detector.share  # type: ignore[attr-defined]
    batcher.close()


def test_a_network_that_fails_fails_its_images_alone() -> None:
    class Failing(FakeDetector):
        failures = 1

        def answer(self, pixels: GrayImages) -> list[Answer]:
            if self.failures:
                self.failures -= 1
                raise RuntimeError("of DOE^JANE")
            return super().answer(pixels)

    with running(served_model(Failing())) as service:
        reply = service.judge(IMAGES[0])
        assert (reply.status, reply.json["error"]["kind"]) == (500, "internal")
        assert b"JANE" not in reply.body
        assert service.judge(IMAGES[0]).status == 200
        assert service.service.admitted == 0
