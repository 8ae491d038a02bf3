"""Each preset through the real commands, on phantoms in a zip of the official layout."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from stages.engine import keys
from stages.engine.errors import InputError
from stages.network import loop
from stages.network.pretrained import packages
from stages.network.pretrained.origin import PACKAGES
from stages.settings import params, preset, section
from stages.sources.phantom.generate import images
from stages.sources.phantom.options import PhantomOptions
from tests.changed import changed
from tests.workspace import ROOT, Workspace, copy_tree

pytestmark = pytest.mark.slow

SMALLER: dict[str, dict[str, Any]] = {
    "scratch": {"train.epochs": 8},
    "pretrained": {"train.epochs": 2},
}
"""What a test changes of a preset, beside SIZES: a few steps each. Those of `gpu` are below."""

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


@pytest.mark.parametrize("name", SMALLER)
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


def test_the_preset_for_a_gpu_takes_two_steps_and_is_judged(tmp_path: Path) -> None:
    """On a processor, so in float32; from random weights, which take too long to learn anything."""
    assert {*SMALLER, "gpu"} == {*preset.NAMES}
    tree = section.read(ROOT / "params.yaml")
    for key, value in preset.load("gpu", tree).flat().items():
        keys.assign(tree, key, value)
    options = params.check(tree).train
    smaller = {"weights": None, "precision": "float32", "crop_px": 48, "epochs": 1, "batch": 20}
    options = changed(options, **smaller, warmup_epochs=0.0, monitor="val_auroc")
    cohort = PhantomOptions(seed=0, patients_train=20, patients_test=4, confound=1.0)
    received = list(images(cohort, workers=1))[:40]
    pixels = np.stack([pixels_of(image.data) for image in received])
    labels = np.array([int("PNEUMONIA" in image.path) for image in received])
    judged = []

    def judge(logits: Callable[[Any], Any]) -> dict[str, float]:
        judged.append(logits(pixels))
        return {"val_auroc": float(roc_auc_score(labels, judged[-1]))}

    trained = loop.train(
        options,
        loop.Images(pixels, labels),
        judge,
        image_px=64,
        folder=tmp_path,
        on_epoch=lambda _: None,
    )
    assert trained.model.name == "densenet121"
    assert len(trained.history) == 1
    assert judged[0].shape == (40,)
    assert np.isfinite(judged[0]).all()
    assert np.ptp(judged[0]) > 0


def pixels_of(data: bytes) -> Any:
    """Return an image as 64 x 64 grey pixels."""
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA)
