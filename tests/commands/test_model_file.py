"""What `pneumonia serve` knows of the repository that it runs in."""

import shutil
from pathlib import Path

import pytest

from stages.commands import model_file
from stages.commands.main import main
from stages.engine.errors import InvalidSettings
from stages.serving.following.loading import SYNTHETIC, Loader
from tests.serving.fake_detector import FakeDetector, fake_model
from tests.workspace import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "PNEUMONIA_PUBLIC_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_outside_of_a_repository_there_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert model_file.served_repository() is None
    assert main(["serve", "--port", "0"]) == 1
    assert "give --registry ADDRESS or set MLFLOW_TRACKING_URI" in capsys.readouterr().err
    assert [*folder.iterdir()] == []


def test_its_params_name_the_model_and_are_checked(folder: Path) -> None:
    shutil.copy(ROOT / "params.yaml", folder)
    found = model_file.served_repository()
    assert found is not None
    assert (found.root, found.stem, found.public_key) == (folder, "pneumonia", None)
    (folder / "params.yaml").write_text("fetch: 7\n")
    with pytest.raises(InvalidSettings):
        model_file.served_repository()


def test_a_model_file_answers_with_the_code_and_the_params_of_the_repository(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "params.yaml", folder)
    detector = FakeDetector()
    classes = ("normal", "pneumonia")
    monkeypatch.setattr(
        model_file, "file_predictor", lambda *_: (fake_model(detector), classes, "CHEST")
    )
    configured: list[int | None] = []
    monkeypatch.setattr(Loader, "configure", lambda _, threads: configured.append(threads))
    point = '{"format": 1, "prior": 0.5, "thresholds": {"decision": 0.4}}'
    (folder / "operating_point.json").write_text(point)
    repository = model_file.served_repository()
    assert repository is not None
    served = repository.load(folder / "model.keras", Loader())
    assert id(served.detector) == id(detector)
    assert (served.name, served.version, served.package_digest) == ("model.keras", None, None)
    assert (served.prior, served.threshold, served.domain_limit) == (0.5, 0.4, 1.0)
    assert served.preparer is not None
    assert (served.preparer.package, served.preparer.code) == ("stages", b"")
    assert served.preparer.body_part == "CHEST"
    assert served.preparer.pixels["image_px"] == 160
    assert SYNTHETIC in served.cautions
    assert configured == [2]
    assert detector.seen == 1  # the first answer, which takes seconds
