"""`pneumonia predict` by a detector of a few lines; by real ones in test_pipeline and serving."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages.commands.main import main
from stages.serving import overlays
from stages.serving.predictor import Predictor
from tests.commands.test_tables import printed_lines, use_terminal
from tests.dicoms import dicom_file
from tests.sample_images import encoded, picture
from tests.serving.test_predictor import GOOD, Detector, light
from tests.workspace import ROOT


class Drawing(Detector):
    """A detector with overlays."""

    def overlay(self, pixels: Any) -> bytes:
        return bytes(cv2.imencode(".png", pixels)[1].tobytes())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params and images, in which commands run and a fake model answers."""
    predictor = Predictor(
        Drawing(),  # type: ignore[arg-type]
        "pneumonia-x version 3 (champion)",
        "0123456789abcdef",
        synthetic=True,
        use="For tests.",
        cautions=("its champion was moved by hand",),
    )
    monkeypatch.setattr("stages.commands.predict._predictor", lambda *_: predictor)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for name, data in {
        "good.jpeg": GOOD,
        "light.png": light("l"),
        "bad.jpeg": b"bad",
        "lateral.dcm": dicom_file(picture("d"), ViewPosition="LL"),
        "sub/good.png": encoded(picture("g"), "PNG"),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def predict(*words: str) -> int:
    return main(["predict", *words])


def test_a_table_on_stdout_and_what_has_to_be_known_on_stderr(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("good.jpeg", "light.png", "bad.jpeg", "none.png", "lateral.dcm") == 1
    printed = capsys.readouterr()
    header, *rows = [line.split("\t") for line in printed.out.splitlines()]
    assert header == ["probability", "decision", "image", "no answer because"]
    names = [row[2] for row in rows]
    assert names == ["good.jpeg", "light.png", "bad.jpeg", "none.png", "lateral.dcm"]
    assert [row[1] for row in rows] == ["pneumonia", "", "", "", "pneumonia"]
    assert [bool(row[0]) for row in rows] == [True, False, False, False, True]
    assert rows[1][3] == "unlike the images it was trained on"
    assert rows[3][3] == "No such file or directory"
    assert printed.err.splitlines() == [
        "5 images: 2 pneumonia, 1 refused, 2 unusable",
        "warning: lateral.dcm: view position LL instead of AP or PA",
        "by pneumonia-x version 3 (champion), digest 0123456789ab",
        "warning: its champion was moved by hand",
        "intended use: For tests.",
        "trained on synthetic images: no prediction for patients",
        "not a diagnosis",
    ]


def test_it_is_0_where_every_image_is_answered(folder: Path) -> None:
    assert predict("good.jpeg", "lateral.dcm") == 0
    assert predict("light.png") == 1  # refused


def test_json_has_every_field_and_stderr_the_warnings(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("--json", "good.jpeg", "light.png", "bad.jpeg") == 1
    printed = capsys.readouterr()
    good, refused, bad = json.loads(printed.out)
    assert good.pop("probability") == pytest.approx(0.5, abs=0.2)
    assert good == {
        "name": "good.jpeg",
        "status": "answered",
        "decision": "pneumonia",
        "domain_score": 0.5,
        "reason": None,
        "cautions": [],
        "model": "0123456789abcdef",
        "overlay": None,
    }
    assert (refused["status"], refused["domain_score"]) == ("refused", 1.5)
    assert (bad["status"], bad["domain_score"]) == ("unusable", None)
    for answer in (refused, bad):
        assert answer["probability"] is answer["decision"] is None
        assert answer["reason"]
    assert "warning: its champion was moved by hand" in printed.err
    assert "not a diagnosis" in printed.err


def test_a_warning_of_many_images_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{number}.dcm" for number in range(9)]
    for name in names:
        shutil.copy(folder / "lateral.dcm", folder / name)
    assert predict(*names) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "view" in line]
    assert warning == (
        "warning: 0.dcm, 1.dcm, 2.dcm and 6 more: view position LL instead of AP or PA"
    )


def test_on_a_terminal_names_come_without_their_folder(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_terminal(monkeypatch, columns=60)
    images = [str(folder / name) for name in ("good.jpeg", "sub/good.png")]
    assert predict(*images) == 0
    first, header, *rows = printed_lines(capsys)
    assert first == f"in {folder}/"
    assert header.split() == ["probability", "decision", "image", *["no", "answer", "because"]]
    assert [row.split()[-1] for row in rows] == ["good.jpeg", "sub/good.png"]
    assert predict("good.jpeg", "sub/good.png") == 0
    assert not capsys.readouterr().out.startswith("in ")


def test_an_overlay_of_each_answered_image(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = ("good.jpeg", "light.png", "bad.jpeg", "sub/good.png")
    assert predict("--json", "--overlay", "drawn", *images) == 1
    printed = capsys.readouterr()
    found = [answer["overlay"] for answer in json.loads(printed.out)]
    assert found == ["drawn/good.png", None, None, "drawn/good-4.png"]
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["good-4.png", "good.png"]
    for path in Path("drawn").iterdir():
        assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), 0) is not None
    assert "overlays: drawn; they show what the network responds to" in printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overlay", "sub", "good.jpeg"], "sub/good.png: expected no such file, found one (1 of"),
        (["--overlay", "bad.jpeg", "good.jpeg"], "bad.jpeg: expected a folder for overlays"),
        (["--model", "x.keras", "--source", "x", "good.jpeg"], "expected --model or --source"),
    ],
)
def test_a_mistake_stops_it_before_it_answers(
    words: list[str],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("stages.commands.predict._predictor", load)
    before = {path: path.stat().st_mtime for path in folder.rglob("*")}
    assert predict(*words) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {message}")
    assert len(printed.err.splitlines()) == 1
    assert {path: path.stat().st_mtime for path in folder.rglob("*")} == before


NAMES: dict[str, tuple[list[str], list[str]]] = {
    "case": (["a/X.png", "b/x.jpeg"], ["X.png", "x-2.png"]),
    "number": (["a/x.png", "a/x-3.png", "b/x.png"], ["x.png", "x-3.png", "x-3-3.png"]),
    "long": (["y" * 200, "y" * 201], ["y" * 60 + ".png", "y" * 60 + "-2.png"]),
    "dots": ([".png", "a.b.dcm"], [".png.png", "a.b.png"]),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_overlays_of_images_with_like_names_do_not_collide(
    names: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    images, files = names
    planned = overlays.plan(tmp_path, [Path(name) for name in images])
    assert planned == [tmp_path / name for name in files]
