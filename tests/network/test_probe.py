"""The probe of a model: written, read and compared."""

import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from stages.engine.answers import Answers
from stages.engine.arrays import GrayImages
from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network.probe import Probe, read_probe
from stages.network.release_files import write_probe
from tests.sample_images import encoded, picture

PREPARE = partial(prepare, options=PixelOptions(image_px=32, aspect="stretch"))
FILES = [(f"image_{name}.jpeg", encoded(picture(name))) for name in "cab"]


def answer(images: GrayImages, nudge: float = 0.0) -> Answers:
    """Answers with many decimals, the second one moved by `nudge`."""
    logit = (images.mean(axis=(1, 2)) / 7).astype(np.float32)
    logit[1] = np.nextafter(logit[1], np.float32(nudge)) if nudge else logit[1]
    stated = 1 / (1 + np.exp(-logit.astype(np.float64)))
    return Answers(logit, stated, stated / 3, stated > 2)


def write(path: Path) -> Probe:
    write_probe(path, FILES, PREPARE, answer)
    return read_probe(path)


def test_the_same_answers_differ_nowhere(tmp_path: Path) -> None:
    probe = write(tmp_path / "probe.zip")
    assert list(probe.files) == ["image_a.jpeg", "image_b.jpeg", "image_c.jpeg"]
    assert probe.files == dict(FILES)
    assert probe.differing(PREPARE, answer) == []


def test_an_answer_that_differs_by_its_last_bit_is_named(tmp_path: Path) -> None:
    probe = write(tmp_path / "probe.zip")
    assert probe.differing(PREPARE, partial(answer, nudge=np.inf)) == ["image_b.jpeg"]


def test_pixels_that_differ_are_noticed(tmp_path: Path) -> None:
    probe = write(tmp_path / "probe.zip")
    other = partial(prepare, options=PixelOptions(image_px=32, aspect="keep"))
    assert len(probe.differing(other, answer)) == 3


def test_a_probe_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    path = tmp_path / "probe.zip"
    write(path)
    first = path.read_bytes()
    write_probe(path, reversed(FILES), PREPARE, answer)
    assert path.read_bytes() == first
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    assert [member.filename for member in members] == sorted(member.filename for member in members)
    assert {member.date_time[0] for member in members} == {1980}
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}


def damaged(path: Path, damage: str) -> None:
    content = read_probe(path)
    with zipfile.ZipFile(path, "w") as archive:
        version = 2 if damage == "of another format" else 1
        facts = {"format": version, "answers": content.answers}
        archive.writestr("answers.json", json.dumps(facts) if damage != "no JSON" else "{")
        if damage != "without images":
            for name, data in content.files.items():
                archive.writestr(f"images/{name}", data)
    if damage == "no zip":
        path.write_bytes(b"PK")
    if damage == "missing":
        path.unlink()


@pytest.mark.parametrize(
    "damage", ["of another format", "no JSON", "without images", "no zip", "missing"]
)
def test_another_file_is_no_probe(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "probe.zip"
    write(path)
    damaged(path, damage)
    with pytest.raises(InputError, match=r"probe\.zip: expected a probe of format 1.*dvc repro"):
        read_probe(path)
