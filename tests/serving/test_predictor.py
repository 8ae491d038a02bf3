"""Predictions by a model file and by the champion."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError, UnusableImage
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.serving.predictor import Predictor
from tests.dicoms import dicom_file
from tests.registry import fake
from tests.sample_images import encoded, picture

GOOD = encoded(picture("good"))


def predict_one(image: bytes) -> tuple[float, str]:
    if image == b"bad":
        raise UnusableImage("no picture")
    return 0.7, "pneumonia"


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(predict_one, origin="a test", model="m", synthetic=True, body_part="CHEST")


def test_a_bad_image_gets_its_reason_and_stops_no_other(
    predictor: Predictor, tmp_path: Path
) -> None:
    good = tmp_path / "a.jpeg"
    good.write_bytes(GOOD)
    missing = tmp_path / "b.jpeg"
    predictions = predictor.predict([good, b"bad", missing, GOOD])
    names = [prediction.name for prediction in predictions]
    assert names == [str(good), "image 2", str(missing), "image 4"]
    assert [prediction.probability for prediction in predictions] == [0.7, None, None, 0.7]
    reasons = [prediction.reason for prediction in predictions]
    assert reasons == [None, "no picture", "No such file or directory", None]
    assert {prediction.model for prediction in predictions} == {"m"}


def test_an_image_that_shows_no_picture_is_an_answer_with_its_reason() -> None:
    def prepared(image: bytes) -> tuple[float, str]:
        prepare(image, PixelOptions(image_px=32, aspect="stretch"))
        return 0.7, "pneumonia"

    predictor = Predictor(prepared, origin="a test", model="m", synthetic=True)
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


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"point\.json: expected a file, found none"):
        Predictor.from_file(
            tmp_path / "model.keras",
            tmp_path / "point.json",
            PixelOptions(image_px=32, aspect="stretch"),
            classes=("intact", "fracture"),
        )


BOTH = """
import dataclasses, json, sys
from pathlib import Path
from typing import Any
from stages.engine.errors import InputError, UnusableImage
from stages.images.options import PixelOptions
from stages.registry.connection import open_store
from stages.registry.publish import publish_unlimited
from stages.registry.store import find_store
from stages.serving.predictor import Predictor
from tests.registry import fake, tiny

root = Path(sys.argv[1])
tiny.make(root / "network.keras")
fake.write(root / "data", model=(root / "network.keras").read_bytes())
store = find_store(root)
publish_unlimited(fake.release(root / "data"), store, candidate=True)
open_store(store).set_registered_model_alias("pneumonia-phantom", "champion", "1")
model = root / "data/model"
predictors = [
    Predictor.from_file(
        model / "model.keras",
        model / "operating_point.json",
        PixelOptions(image_px=32, aspect="stretch"),
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
