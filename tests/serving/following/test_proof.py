"""A version answers its own probe before it answers anybody else."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from stages.engine.answers import Answers
from stages.engine.arrays import GrayImage, GrayImages
from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network.detector import Answer
from stages.network.preparing import Prepared, prepare_image
from stages.network.probe import read_probe
from stages.network.release_files import write_probe
from stages.serving.following import proof
from stages.serving.following.proof import Circumstances
from tests.registry import tiny

PIXELS = PixelOptions(image_px=32, aspect="stretch")
HERE = Circumstances("x86-64-v3", 2)
REFUSED = 160
"""Mean grey from which the detector refuses an image."""


def answers(pixels: GrayImages, error: float = 0.0) -> Answers:
    grey = pixels.mean(axis=(1, 2), dtype=np.float64)
    logits = ((grey - 128) / 64).astype(np.float32)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64))) + error
    return Answers(logits, probability, grey / REFUSED * (1 + error), grey > REFUSED)


@dataclass
class Detector:
    """Answers by the mean grey, with an error, and with another one at the places `odd`."""

    error: float = 0.0
    odd: tuple[int, ...] = ()

    def prepare(self, image: bytes) -> Prepared:
        return prepare_image(image, PIXELS, None)

    def answer(self, pixels: GrayImages) -> list[Answer]:
        found = answers(pixels, self.error)
        rows = zip(found.probability, found.domain_score, found.refused, strict=True)
        return [
            Answer(
                None if refused else float(chance) + (1e-9 if place in self.odd else 0),
                None if refused else "pneumonia",
                float(score),
                "unlike" if refused else None,
            )
            for place, (chance, score, refused) in enumerate(rows)
        ]

    def overlay(self, pixels: GrayImage, /) -> bytes:
        raise AssertionError

    def differing(self, probe: Path) -> list[str]:
        return read_probe(probe).differing(
            lambda image: prepare(image, PIXELS), lambda pixels: answers(pixels, self.error)
        )


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("probe") / "probe.zip"
    files = [(f"{grey}.png", tiny.image(grey)) for grey in (*range(80, 170, 10), 175)]
    write_probe(path, files, lambda image: prepare(image, PIXELS), answers)
    return path


def test_equal_bits_are_no_news(probe: Path) -> None:
    for record in (HERE, Circumstances("x86-64 avx512, Intel", 8)):
        assert proof.differing(Detector(), probe, record, HERE) == ()


def test_other_bits_in_the_circumstances_on_record_are_refused(probe: Path) -> None:
    message = r"10 of its probe images with other bits .* on record \(x86-64-v3, 2 threads\)"
    with pytest.raises(InputError, match=message):
        proof.differing(Detector(1e-12), probe, HERE, HERE)


@pytest.mark.parametrize(
    "record",
    [
        HERE._replace(processor="x86-64 avx512, Intel"),
        HERE._replace(threads=4),
        Circumstances(None, None),
    ],
)
def test_other_last_bits_elsewhere_are_a_caution(record: Circumstances, probe: Path) -> None:
    [caution] = proof.differing(Detector(1e-6), probe, record, HERE)
    assert caution.startswith(f"10 of its probe images get other last bits here ({HERE})")
    assert caution.endswith("a difference of up to 1e-06")


@pytest.mark.parametrize("error", [0.002, -0.5, float("nan")])
def test_another_answer_is_refused_everywhere(error: float, probe: Path) -> None:
    with pytest.raises(InputError, match=r"otherwise than on record, by up to .* at most 0\.001"):
        proof.differing(Detector(error), probe, HERE._replace(threads=4), HERE)


def test_it_is_noticed_whether_the_place_in_a_batch_matters(probe: Path) -> None:
    assert not proof.place_matters(Detector(), probe)
    for place in (0, 3, 7):
        assert proof.place_matters(Detector(odd=(place,)), probe)


def test_a_version_that_cannot_read_its_own_probe_is_refused(probe: Path) -> None:
    class Blind(Detector):
        def prepare(self, image: bytes) -> Prepared:
            return replace(super().prepare(image), pixels=None)

    with pytest.raises(InputError, match="can't read an image of its own probe"):
        proof.place_matters(Blind(), probe)
