"""Pictures of an image, without a network."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError
from stages.network import saliency
from stages.network.detector import Answer
from stages.serving.answering import overlay
from stages.serving.answering.turns import BusyError, Turns
from stages.serving.served import ServedModel
from tests.serving.fake_detector import FakeDetector

PIXELS: GrayImage = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))
ANSWER = Answer(0.931, "PNEUMONIA", 0.4, None)


class Drawing(FakeDetector):
    """Its map rises from left to right."""

    def heatmap(self, pixels: GrayImage) -> npt.NDArray[np.float32]:
        return np.tile(np.linspace(0, 1, pixels.shape[1], dtype=np.float32), (len(pixels), 1))

    def overlay(self, pixels: GrayImage) -> bytes:
        return saliency.png(saliency.overlay(pixels, self.heatmap(pixels)))


class Earlier(FakeDetector):
    """Of a version that was packaged before maps could be asked for, and draws nothing."""

    def overlay(self, pixels: GrayImage) -> bytes:
        raise InputError("overlay: expected a version of format 2")


MODEL = ServedModel(
    detector=Drawing(),
    preparer=None,
    name="pneumonia",
    version="3",
    alias="champion",
    format=2,
    model_digest="0123456789ab" * 5 + "cdef",
    package_digest=None,
    commit=None,
    synthetic=True,
    intended_use=None,
    cautions=(),
    classes=("NORMAL", "PNEUMONIA"),
    prior=0.5,
    threshold=0.5,
)


def read(png: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)


def test_the_judged_picture_is_the_pixels_themselves() -> None:
    assert np.array_equal(read(overlay.judged(PIXELS)), PIXELS)


def test_the_drawn_picture_is_the_version_s_own() -> None:
    expected = MODEL.detector.overlay(PIXELS)
    assert overlay.draw("drawn", MODEL, PIXELS, ANSWER) == expected


def test_the_map_alone_is_as_opaque_as_it_is_strong() -> None:
    picture = read(overlay.draw("map", MODEL, PIXELS, ANSWER))
    assert picture.shape == (64, 64, 4)
    assert picture[0, 0, 3] == 0
    assert picture[0, -1, 3] == 255
    assert picture[0, -1, 2] > 200  # the bright end of the colours
    assert (np.diff(picture[0, :, 3].astype(int)) >= 0).all()


def test_the_legend_stands_below_the_enlarged_picture() -> None:
    picture = read(overlay.draw("legend", MODEL, PIXELS, ANSWER))
    times = picture.shape[1] // 64
    assert picture.shape[1] == 64 * times >= 560
    below = picture[64 * times :]
    assert below.shape[0] > 60
    ink = (below < 120).all(axis=2).sum(axis=1) > 0
    assert ink.sum() > 20  # lines of text
    assert not ink[-3:].any()  # none is cut off


def test_the_legend_says_the_decision_the_version_and_that_it_is_synthetic() -> None:
    words = overlay.words(MODEL, ANSWER)
    assert words[0] == "PNEUMONIA: probability 93.1% at a prior of 50%, threshold 50%"
    assert words[1] == "pneumonia version 3 (champion), 0123456789ab"
    assert words[2].endswith("no diagnosis.")
    assert words[3].startswith("Trained on synthetic images alone")
    real = replace(MODEL, synthetic=False, prior=None, threshold=None)
    assert overlay.words(real, ANSWER)[0] == "PNEUMONIA: probability 93.1%"
    assert len(overlay.words(real, ANSWER)) == 3


def test_a_long_name_of_letters_that_can_t_be_written_fits_the_legend() -> None:
    named = replace(MODEL, name="Lungenentzündung-" * 30, classes=("normal", "肺炎" * 80))
    picture = read(overlay.draw("legend", named, PIXELS, ANSWER))
    assert (picture[:, -8:][64 * 9 :] > 200).all()  # the margin stays white


@pytest.mark.parametrize(("part", "says"), [("legend", "format 2"), ("map", "part=drawn")])
def test_a_version_that_can_t_draw_says_so(part: str, says: str) -> None:
    with pytest.raises(overlay.NoMapError, match=says):
        overlay.draw(part, replace(MODEL, detector=Earlier()), PIXELS, ANSWER)


async def _first_waits(turns: Turns, release: threading.Event) -> "asyncio.Task[Any]":
    started = threading.Event()

    def work() -> None:
        started.set()
        release.wait(10)

    first = asyncio.create_task(turns.run(work))
    await asyncio.to_thread(started.wait, 10)
    return first


def test_what_finds_no_place_in_the_queue_is_refused_at_once() -> None:
    async def run() -> None:
        turns, release = Turns(waiting=2, seconds=10), threading.Event()
        first = await _first_waits(turns, release)
        second = asyncio.create_task(turns.run(lambda: "second"))
        await asyncio.sleep(0)
        with pytest.raises(BusyError) as refused:
            await turns.run(lambda: "third")
        assert refused.value.retry_s >= 1
        release.set()
        await first
        assert await second == "second"
        assert await turns.run(lambda: "later") == "later"
        turns.close()

    asyncio.run(run())


def test_what_waits_too_long_is_never_started() -> None:
    started = []

    async def run() -> None:
        turns, release = Turns(waiting=4, seconds=0.2), threading.Event()
        first = await _first_waits(turns, release)
        with pytest.raises(BusyError):
            await turns.run(lambda: started.append("second"))
        with pytest.raises(BusyError):
            await first
        release.set()
        turns.close()
        with pytest.raises(BusyError):  # and after the end, too
            await turns.run(lambda: started.append("third"))

    asyncio.run(run())
    assert started == []
