"""Predictions by a model file and by the champion."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.arrays import GrayImages
from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network.detector import Answer
from stages.network.preparing import Prepared
from stages.serving.predictor import Predictor
from stages.sources.header import read_header
from tests.dicoms import dicom_file
from tests.registry import fake
from tests.sample_images import encoded, picture

GOOD = encoded(picture("good"))
PIXELS = PixelOptions(image_px=32, aspect="stretch")


class Detector:
    """Decodes images as the real one, and refuses those whose mean grey is above 170."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.prepared = 0

    def prepare(self, image: bytes) -> Prepared:
        self.prepared += 1
        try:
            pixels = prepare(image, PIXELS)
        except InputError as error:
            return Prepared(None, str(error))
        return Prepared(pixels, None, read_header(image, "CHEST").cautions)

    def answer(self, pixels: GrayImages) -> list[Answer]:
        self.batches.append(len(pixels))
        return [self._answer(float(image.mean())) for image in pixels]

    def _answer(self, grey: float) -> Answer:
        if grey > 170:
            return Answer(None, None, 1.5, "unlike the images it was trained on")
        return Answer(grey / 255, "pneumonia", 0.5, None)


@pytest.fixture
def detector() -> Detector:
    return Detector()


@pytest.fixture
def predictor(detector: Detector) -> Predictor:
    return Predictor(detector, "a test", "m")  # type: ignore[arg-type]


def light(name: str) -> bytes:
    return encoded((picture(name) // 2 + 125).astype(np.uint8), "PNG")


def test_a_bad_image_gets_its_reason_and_stops_no_other(
    predictor: Predictor, tmp_path: Path
) -> None:
    good = tmp_path / "a.jpeg"
    good.write_bytes(GOOD)
    missing = tmp_path / "b.jpeg"
    predictions = predictor.predict([good, b"bad", missing, light("c"), GOOD])
    names = [prediction.name for prediction in predictions]
    assert names == [str(good), "image 2", str(missing), "image 4", "image 5"]
    statuses = [prediction.status for prediction in predictions]
    assert statuses == ["answered", "unusable", "unusable", "refused", "answered"]
    answered = [prediction.probability is not None for prediction in predictions]
    assert answered == [True, False, False, False, True]
    reasons = [prediction.reason for prediction in predictions]
    assert reasons[1] is not None
    assert reasons[1].startswith("expected a JPEG, PNG or DICOM image")
    assert reasons[2:4] == ["No such file or directory", "unlike the images it was trained on"]
    assert [prediction.domain_score for prediction in predictions] == [0.5, None, None, 1.5, 0.5]
    assert {prediction.model for prediction in predictions} == {"m"}


def test_the_network_gets_full_batches_whatever_is_bad_between(
    predictor: Predictor, detector: Detector
) -> None:
    images = [GOOD if number % 3 else b"bad" for number in range(60)]
    predictions = predictor.predict(images)
    assert [prediction.status == "answered" for prediction in predictions] == [
        number % 3 != 0 for number in range(60)
    ]
    assert [prediction.name for prediction in predictions] == [f"image {n}" for n in range(1, 61)]
    assert detector.batches == [8] * 5


def test_each_image_gets_its_own_answer(predictor: Predictor) -> None:
    images = [encoded((picture(str(n)) // 2 + n).astype(np.uint8), "PNG") for n in range(40)]
    together = [prediction.probability for prediction in predictor.predict(images)]
    assert together == [predictor.predict([image])[0].probability for image in images]
    assert len(set(together)) > 30


def test_images_are_not_read_far_ahead(predictor: Predictor, detector: Detector) -> None:
    for image in (GOOD, b"bad"):
        detector.prepared = 0
        for _ in itertools.islice(predictor.stream([image] * 2000), 100):
            pass
        assert detector.prepared < 500


def test_an_image_that_shows_no_picture_is_an_answer_with_its_reason(predictor: Predictor) -> None:
    window: dict[str, Any] = {"WindowCenter": 32768, "WindowWidth": 65535}
    too_wide = dicom_file(picture("w").astype(np.uint16) * 16, BitsStored=12, **window)
    black, wide, fine = predictor.predict([encoded(picture("b") // 16, "PNG"), too_wide, GOOD])
    assert black.probability is wide.probability is None
    assert black.reason
    assert "received a nearly black one" in black.reason
    assert wide.reason
    assert "its window (centre 32768, width 65535) does not fit" in wide.reason
    assert fine.decision == "pneumonia"


def test_a_doubtful_image_gets_its_cautions(predictor: Predictor) -> None:
    lateral, frontal = predictor.predict([dicom_file(picture("l"), ViewPosition="LL"), GOOD])
    assert lateral.decision == frontal.decision == "pneumonia"
    assert lateral.cautions == ("view position LL instead of AP or PA",)
    assert frontal.cautions == ()


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    def load() -> None:
        classes = ("intact", "fracture")
        Predictor.from_file(tmp_path / "model.keras", PIXELS, root=fake.ROOT, classes=classes)

    with pytest.raises(InputError, match=r"model\.keras: expected a \.keras model, found no file"):
        load()
    (tmp_path / "model.keras").touch()
    with pytest.raises(InputError, match=r"domain\.npz: expected .* as beside a model of format 1"):
        load()


BOTH = """
import dataclasses, json, sys
from pathlib import Path
from stages.images.options import PixelOptions
from stages.registry.moves import move_alias
from stages.registry.publish import publish_unlimited
from stages.registry.store import find_store
from stages.serving.predictor import Predictor
from tests.registry import fake, tiny

root = Path(sys.argv[1])
tiny.make(root / "network.keras")
fake.write(root / "data", model=(root / "network.keras").read_bytes())
store = find_store(root)
publish_unlimited(fake.release(root / "data"), store, candidate=True)
from stages.registry.connection import open_store
move_alias(open_store(store), store, "pneumonia-phantom", "champion", "1", kind="promote", why="")
predictors = [
    Predictor.from_file(
        root / "data/model/model.keras",
        PixelOptions(image_px=32, aspect="stretch"),
        root=fake.ROOT,
        classes=("normal", "pneumonia"),
    ),
    Predictor.from_champion(root, "pneumonia"),
]
images = [tiny.image(120), tiny.image(180), b"no image"]
predictions = [[dataclasses.asdict(p) for p in each.predict(images)] for each in predictors]
print(json.dumps([*predictions, predictors[1].origin, predictors[1].synthetic]))
"""


@pytest.mark.slow
def test_file_and_champion_give_equal_predictions(tmp_path: Path) -> None:
    """The champion runs its own packaged code: the same steps, the same bits."""
    finished = subprocess.run(
        [sys.executable, "-c", BOTH, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=fake.ROOT,
        env={**os.environ, "MLFLOW_TRACKING_URI": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    by_file, by_champion, origin, synthetic = json.loads(finished.stdout.splitlines()[-1])
    assert by_file == by_champion
    assert [prediction["decision"] for prediction in by_file] == ["normal", "pneumonia", None]
    assert (origin, synthetic) == ("pneumonia-phantom version 1 (champion)", True)
