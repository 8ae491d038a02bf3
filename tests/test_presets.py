"""Each preset through the real commands, on phantoms in a zip of the official layout."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine import keys
from stages.engine.errors import InputError
from stages.network.pretrained import packages
from stages.network.pretrained.origin import PACKAGES
from stages.settings import preset
from stages.sources.phantom.generate import images
from stages.sources.phantom.options import PhantomOptions
from tests.workspace import Workspace, copy_tree

pytestmark = pytest.mark.slow

SMALLER: dict[str, dict[str, Any]] = {
    "scratch": {"train.epochs": 8},
    "pretrained": {"train.epochs": 2},
    # No connection and no GPU here: random weights, and numbers that a processor has.
    "gpu": {"train.epochs": 2, "train.weights": None, "train.precision": "float32"},
}
"""What a test changes of a preset, beside SIZES: a few steps each."""

SIZES: dict[str, Any] = {
    "preprocess.image_px": 64,
    "train.crop_px": 48,
    "train.batch": 16,
    "train.learning_rate": 0.01,
    "train.warmup_epochs": 1,
    "train.ema": 0.5,
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip as the real one is: chest_xray/{train,test}/{NORMAL,PNEUMONIA}, with a Mac's files."""
    path = tmp_path_factory.mktemp("presets") / "official.zip"
    cohort = PhantomOptions(seed=0, patients_train=48, patients_test=14, confound=1.0)
    with zipfile.ZipFile(path, "w") as file:
        for image in images(cohort, workers=1):
            file.writestr(f"chest_xray/{image.path.removeprefix('phantom/')}", image.data)
        file.writestr("chest_xray/.DS_Store", b"x")
        file.writestr("__MACOSX/chest_xray/._train", b"x")
    return path


def experiment(workspace: Workspace, name: str, archive: Path) -> str:
    """Run the README's command with a preset, made small; return what it printed."""
    smaller = [
        f"-S {key}={yaml.safe_dump(value).split()[0]}" for key, value in changes(name).items()
    ]
    return workspace.run(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        f"dvc exp run --name {name} $(pneumonia preset {name}) "
        f"-S fetch.source=archive -S fetch.path={archive} {' '.join(smaller)}",
    ).stdout


def changes(name: str) -> dict[str, Any]:
    return SIZES | SMALLER[name]


@pytest.mark.parametrize("name", preset.NAMES)
def test_a_preset_trains_and_is_judged_on_the_official_test(
    name: str, archive: Path, tmp_path: Path
) -> None:
    workspace = copy_tree(tmp_path / "clone")
    wanted = preset.load(name, yaml.safe_load(workspace.text("params.yaml"))).flat()
    wanted |= changes(name)
    if name == "pretrained":
        require_weights()
    output = experiment(workspace, name, archive)
    assert "this is an experiment" in output
    ran = yaml.safe_load(workspace.text("dvc.lock"))["stages"]["train"]["params"]["params.yaml"]
    for key, value in wanted.items():
        if key.startswith("train."):
            assert keys.get(ran, key) == value, key
    judged = json.loads(workspace.text("data/report/metrics.json"))["test"]
    with zipfile.ZipFile(archive) as file:
        official = [each for each in file.namelist() if each.startswith("chest_xray/test/")]
    assert judged["images"] == len(official) > 0
    if name == "scratch":
        promote(workspace, archive)


def promote(workspace: Workspace, archive: Path) -> None:
    """Do what the README says of an experiment that is to be promoted."""
    refused = workspace.run("pneumonia", "promote", "1", expect=1)
    assert "pneumonia data pin\n" in refused.stderr
    workspace.run("pneumonia", "data", "pin", str(archive))
    again = workspace.run("dvc", "repro").stdout
    assert "epoch 1/" not in again  # the same training
    assert "candidate" in again
    workspace.commit()
    assert "champion is now" in workspace.run("pneumonia", "promote").stdout


def require_weights() -> None:
    try:
        packages.read(PACKAGES["EfficientNetLite0"])
    except InputError as error:
        pytest.skip(f"the extra pretrained is not installed: {error}")
