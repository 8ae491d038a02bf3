"""The detector: the interface of a version, free of MLflow and pandas."""

import dataclasses
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages.engine.answers import Answers
from stages.engine.closure import import_closure
from stages.engine.errors import InputError
from stages.images.facts import NUMBERS
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network import canonical, domain_fit, predict
from stages.network.detector import Detector
from stages.network.domain import LIMIT, Domain
from stages.network.judging import judged
from stages.network.model import build
from stages.network.operating_point import OperatingPoint
from stages.network.release_files import write_probe
from stages.network.saliency import overlay
from tests.dicoms import dicom_file
from tests.network.test_domain import roles
from tests.network.tiny import OPTIONS, images
from tests.registry import fake, tiny
from tests.sample_images import encoded, picture

PX = 64
POINT = OperatingPoint(2.0, 0.1, 0.5, {"decision": 0.5}, ("val",))
PARTS: dict[str, Any] = {
    "pixels": PixelOptions(image_px=PX, aspect="stretch"),
    "classes": ("intact", "fracture"),
    "body_part": "CHEST",
}


@pytest.fixture(scope="module")
def model() -> Any:
    return build(OPTIONS, PX)


@pytest.fixture(scope="module")
def known(model: Any) -> Domain:
    return domain_fit.fit(model, OPTIONS, *roles(PX))


@pytest.fixture(scope="module")
def detector(model: Any, known: Domain) -> Detector:
    return Detector(model, POINT, known, **PARTS)


@pytest.fixture(scope="module")
def pixels() -> Any:
    return images(30, PX, seed=7)[0]


def test_a_probe_tells_whether_another_machine_answers_the_same(
    model: Any, known: Domain, detector: Detector, tmp_path: Path
) -> None:
    """A refused image is compared as well: what is known of it is its numbers."""
    files = [(f"{name}.png", encoded(picture(name, 80, 90), "PNG")) for name in "abc"]
    path = tmp_path / "probe.zip"

    def answer(pixels: Any) -> Answers:
        return judged(*predict.answerer(model, known)(pixels), POINT)

    write_probe(path, files, lambda image: prepare(image, PARTS["pixels"]), answer)
    assert detector.differing(path) == []
    nudged = dataclasses.replace(POINT, intercept=float(np.nextafter(0.1, 1)) + 1e-12)
    other = Detector(model, nudged, known, **PARTS)
    assert other.differing(path) == ["a.png", "b.png", "c.png"]
    stricter = dataclasses.replace(known, limit=known.limit / 2)
    assert Detector(model, POINT, stricter, **PARTS).differing(path) == ["a.png", "b.png", "c.png"]
    some = images(13, PX, seed=8)[0]
    expected = [detector.answer(some[:count]) for count in (1, 2, 3, 5, 13)]
    other = Detector(model, POINT, known, **PARTS)
    assert other.admit_short_batches(path)[-1] == predict.BATCH
    assert [other.answer(some[:count]) for count in (1, 2, 3, 5, 13)] == expected


def test_answers_are_those_of_the_network_at_the_operating_point(
    model: Any, detector: Detector, pixels: Any
) -> None:
    expected = POINT.probability(predict.predictor(model)(pixels))
    answers = detector.answer(pixels)
    scores = detector.domain_score(pixels)
    assert scores.dtype == np.float64
    answered = 0
    for answer, probability, score in zip(answers, expected, scores, strict=True):
        assert answer.domain_score == score
        if score <= LIMIT:
            answered += 1
            assert answer.probability == probability
            assert answer.decision == ("fracture" if probability >= 0.5 else "intact")
            assert answer.refused is None
    assert answered > 20
    assert detector.answer(pixels[:0]) == []
    assert detector.answer(pixels[5:6]) == answers[5:6]


@pytest.mark.parametrize(
    ("score", "words"),
    [(1.8, "score 1.8, limit 1"), (1.002, "score 1.002, limit 1"), (3000.0, "score 3000.0,")],
)
def test_an_image_above_the_limit_has_a_score_and_a_reason_and_no_answer(
    model: Any, known: Domain, pixels: Any, score: float, words: str
) -> None:
    own = float(known.score(predict.pooler(model, known.layers)(pixels[:1]))[0])
    scaled = dataclasses.replace(known, limit=known.limit * own / score)
    (answer,) = Detector(model, POINT, scaled, **PARTS).answer(pixels[:1])
    assert (answer.probability, answer.decision) == (None, None)
    assert answer.domain_score == pytest.approx(score, rel=1e-5)
    assert answer.refused is not None
    assert answer.refused.startswith("unlike the images it was trained on (score ")
    assert words in answer.refused


def test_a_score_that_is_no_number_is_refused(model: Any, known: Domain, pixels: Any) -> None:
    broken = dataclasses.replace(known, limit=float("nan"))
    (answer,) = Detector(model, POINT, broken, **PARTS).answer(pixels[:1])
    assert answer.probability is None
    assert "score nan" in str(answer.refused)


def test_a_bad_image_has_a_reason_and_never_raises(detector: Detector) -> None:
    files = [
        encoded(picture("j")),
        encoded(picture("p"), "PNG"),
        dicom_file(picture("d"), ViewPosition="PA"),
    ]
    rng = np.random.default_rng(0)
    for data in files:
        assert detector.prepare(data).reason is None
        for _ in range(100):
            cut = data[: int(rng.integers(len(data)))]
            flipped = bytearray(data)
            flipped[int(rng.integers(min(len(data), 600)))] ^= 1 << int(rng.integers(8))
            for damaged in (cut, bytes(flipped)):
                prepared = detector.prepare(damaged)
                assert (prepared.pixels is None) is (prepared.reason is not None)
                assert prepared.reason != ""
    assert detector.prepare(b"").reason == (
        "expected a JPEG, PNG or DICOM image, received an empty file"
    )


def test_an_image_has_its_pixels_facts_and_cautions(detector: Detector) -> None:
    prepared = detector.prepare(dicom_file(picture("l"), ViewPosition="LL"))
    assert prepared.pixels is not None
    assert prepared.pixels.shape == (PX, PX)
    assert prepared.pixels.dtype == np.uint8
    assert prepared.cautions == ("view position LL instead of AP or PA",)
    assert set(prepared.facts) == {*NUMBERS, "mode"}
    assert prepared.facts["mean"] == pytest.approx(prepared.pixels.mean(), abs=1e-5)
    black = detector.prepare(encoded(picture("b") // 16, "PNG"))
    assert "nearly black" in str(black.reason)
    assert black.pixels is None
    assert (black.facts["mean"], black.facts["mode"]) == (None, "L")
    assert black.facts["width"] is not None


def test_an_overlay_is_a_picture_of_the_same_size_in_colour(
    detector: Detector, pixels: Any
) -> None:
    drawn = []
    for image in pixels[:2]:
        png = np.frombuffer(detector.overlay(image), np.uint8)
        overlaid = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
        assert overlaid is not None
        assert overlaid.shape == (PX, PX, 3)
        grey = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        assert 1 < np.abs(overlaid.astype(int) - grey).mean() < 100
        drawn.append(overlaid)
        heatmap = detector.heatmap(image)
        assert (heatmap.dtype, heatmap.max()) == (np.float32, 1)
        assert np.array_equal(overlay(image, heatmap)[..., ::-1], overlaid)
    assert not np.array_equal(drawn[0], drawn[1])


def test_overlays_drawn_meanwhile_change_no_bit_of_an_answer(
    detector: Detector, pixels: Any
) -> None:
    alone = [detector.answer(pixels[n : n + 1]) for n in range(len(pixels))]
    pictures = [detector.overlay(image) for image in pixels[:6]]
    with ThreadPoolExecutor(1) as drawing:
        drawn = [drawing.submit(detector.overlay, image) for image in pixels[:6]]
        meanwhile = [detector.answer(pixels[n : n + 1]) for n in range(len(pixels))]
        assert [one.result() for one in drawn] == pictures
    assert meanwhile == alone


FREE = """
import json, sys
# Keras imports pandas where it can; nothing here may need it.
sys.modules["mlflow"] = sys.modules["pandas"] = None
from pathlib import Path
import stages
from stages.images.options import PixelOptions
from stages.network.detector import FORMAT, Detector
from tests.registry import tiny

folder = Path(sys.argv[1])
detector = Detector.load(
    *(folder / name for name in ("model.keras", "operating_point.json", "domain.npz")),
    pixels=PixelOptions(image_px=32, aspect="stretch"),
    classes=("intact", "fracture"),
    body_part=None,
)
prepared = [detector.prepare(tiny.image(grey)).pixels for grey in (120, 180, 200)]
import numpy as np
answers = detector.answer(np.stack(prepared))
import stages.network.saliency
loaded = sorted(name for name in sys.modules if name.startswith("stages.registry"))
print(json.dumps([FORMAT, [vars(answer) for answer in answers], loaded]))
"""


def test_files_of_a_model_answer_without_mlflow_and_pandas(tmp_path: Path) -> None:
    tiny.make(tmp_path / "network.keras")
    fake.write(tmp_path / "data", model=(tmp_path / "network.keras").read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", FREE, str(tmp_path / "data/model")],
        cwd=fake.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, (low, high, other), registry = json.loads(done.stdout.splitlines()[-1])
    assert version == 2
    assert (low["decision"], high["decision"]) == ("intact", "fracture")
    assert (other["probability"], other["decision"]) == (None, None)
    assert other["refused"] == (
        "unlike the images it was trained on (score 1.2, limit 1): no answer"
    )
    assert registry == []


def test_what_is_packaged_is_little_and_knows_no_params_or_registry() -> None:
    reached = {path.parts[1] for path in import_closure("stages.network.detector", fake.ROOT)}
    assert reached == {"__init__.py", "engine", "sources", "images", "network"}
    files = import_closure("stages.network.detector", fake.ROOT)
    assert len(files) < 45, [path.as_posix() for path in files]


@pytest.mark.parametrize("name", ["model.keras", "operating_point.json", "domain.npz"])
def test_a_missing_file_is_named(name: str, model: Any, known: Domain, tmp_path: Path) -> None:
    canonical.save(model, tmp_path / "model.keras")
    (tmp_path / "operating_point.json").write_text(json.dumps(POINT.to_json()))
    known.save(tmp_path / "domain.npz")
    (tmp_path / name).unlink()
    parts = (tmp_path / part for part in ("model.keras", "operating_point.json", "domain.npz"))
    with pytest.raises(InputError, match=rf"{name}: expected"):
        Detector.load(*parts, **PARTS)
