"""Answers for images, by a model file and by the champion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.serving.predictor import Predictor
from tests.dicoms import dicom_file
from tests.registry import fake
from tests.sample_images import encoded, picture

GOOD = encoded(picture("good"))


def ask(image: bytes) -> tuple[float, str]:
    if image == b"bad":
        raise InputError("image 1 of 1: no picture")
    return 0.7, "pneumonia"


def test_a_bad_image_gets_its_reason_and_stops_no_other(tmp_path: Path) -> None:
    there = tmp_path / "a.jpeg"
    there.write_bytes(GOOD)
    missing = tmp_path / "b.jpeg"
    predictor = Predictor(ask, origin="a test", model="m", synthetic=True)
    answers = predictor.predict([there, b"bad", missing, GOOD])
    assert [answer.name for answer in answers] == [str(there), "image 2", str(missing), "image 4"]
    assert [answer.probability for answer in answers] == [0.7, None, None, 0.7]
    assert [answer.reason for answer in answers] == [
        None, "no picture", "No such file or directory", None,
    ]  # fmt: skip
    assert {answer.model for answer in answers} == {"m"}


def test_a_doubtful_image_is_answered_with_its_cautions() -> None:
    predictor = Predictor(ask, origin="a test", model="m", synthetic=True)
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
        )


BOTH = """
import dataclasses, json, sys
from pathlib import Path
from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.registry.offer import offer_fully
from stages.registry.store import find_store, open_store
from stages.serving.predictor import Predictor
from tests.registry import fake, tiny

root = Path(sys.argv[1])
tiny.make(root / "network.keras")
fake.write(root / "data", model=(root / "network.keras").read_bytes())
store = find_store(root)
offer_fully(fake.offered(root / "data"), store, candidate=True)
open_store(store).set_registered_model_alias("pneumonia-phantom", "champion", "1")
model = root / "data/model"
roads = [
    Predictor.from_file(
        model / "model.keras",
        model / "operating_point.json",
        PixelOptions(image_px=32, aspect="stretch"),
    ),
    Predictor.from_champion(root, "pneumonia"),
]
images = [tiny.image(120), tiny.image(200), b"no image"]
answers = [[dataclasses.asdict(a) for a in road.predict(images)] for road in roads]
print(json.dumps([*answers, roads[1].origin, roads[1].synthetic]))
"""


@pytest.mark.slow
def test_file_and_champion_answer_alike(tmp_path: Path) -> None:
    """By a file here, by the champion in its own packaged code: the same road, the same bits."""
    said = subprocess.run(
        [sys.executable, "-c", BOTH, str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=fake.ROOT,
        env={**os.environ, "MLFLOW_TRACKING_URI": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    by_file, by_champion, origin, synthetic = json.loads(said.stdout.splitlines()[-1])
    assert by_file == by_champion
    assert [answer["decision"] for answer in by_file] == ["normal", "pneumonia", None]
    assert (origin, synthetic) == ("pneumonia-phantom version 1 (champion)", True)
