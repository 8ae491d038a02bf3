"""A start from published weights, by the real commands: same bytes, and its origin everywhere."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.network.pretrained import packages
from stages.network.pretrained.origin import PACKAGES
from tests.workspace import Workspace, copy_tree

pytestmark = pytest.mark.slow

PACKAGE = PACKAGES["EfficientNetLite0"]
TRAINED = ("data/validation.json", "data/report/metrics.json", "data/release.json", "dvc.lock")
SMALL = {
    "fetch.phantom.patients_train": 30,
    "fetch.phantom.patients_test": 10,
    "train.network": "EfficientNetLite0",
    "train.weights": "imagenet",
    "train.epochs": 2,
    "train.batch": 8,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository after `dvc repro`, committed."""
    try:
        packages.read(PACKAGE)
    except InputError as error:
        if "found none" not in str(error):
            raise
        pytest.skip(f"the extra pretrained is not installed: {PACKAGE.name}")
    workspace = copy_tree(tmp_path_factory.mktemp("pretrained") / "repository")
    workspace.params(SMALL)
    workspace.run("dvc", "repro")
    workspace.commit()
    return workspace


def test_the_origin_of_the_weights_is_on_record(trained: Workspace) -> None:
    assert json.loads(trained.text("data/inputs.json"))["train"] == {"weights": PACKAGE.sha256}
    read = json.loads(trained.text("data/model/trained_with.json"))
    assert read["params"]["train"]["weights"] == PACKAGE.sha256
    assert read["initial_weights"] == PACKAGE.facts()
    assert json.loads(trained.text("data/release.json"))["initial_weights"] == PACKAGE.facts()
    card = trained.text("data/report/model_card.md")
    assert f"Initial weights: {PACKAGE.name} {PACKAGE.version}" in card
    assert "Licence of these weights: not stated. Trained on: ImageNet." in card


def test_a_killed_training_resumes_to_the_same_bytes(trained: Workspace, tmp_path: Path) -> None:
    clone = Workspace(tmp_path / "clone")
    trained.run("git", "clone", "--quiet", "--no-hardlinks", ".", str(clone.folder))
    status, output = clone.interrupt(
        lambda text: "\nepoch 1/2" in text, lambda pid: os.kill(pid, signal.SIGKILL)
    )
    assert status == -signal.SIGKILL, output
    again = clone.run("dvc", "repro")
    assert "resumed after epoch 1" in again.stdout + again.stderr
    for name in TRAINED:
        assert clone.text(name) == trained.text(name), name


def test_a_second_build_gives_the_same_bytes_on_more_cores_or_fewer(
    trained: Workspace, tmp_path: Path
) -> None:
    clone = Workspace(tmp_path / "clone")
    trained.run("git", "clone", "--quiet", "--no-hardlinks", ".", str(clone.folder))
    one_core = (
        ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    )
    clone.run(*one_core, "dvc", "repro", TF_NUM_INTEROP_THREADS="7")
    for name in TRAINED:
        assert clone.text(name) == trained.text(name), name


def test_a_promotion_needs_an_explicit_yes(trained: Workspace) -> None:
    refused = trained.run("pneumonia", "promote", expect=1)
    assert "add --accept-weights-licence" in refused.stderr
    assert "not stated" in refused.stdout
    promoted = trained.run("pneumonia", "promote", "--accept-weights-licence")
    assert "not stated, accepted" in promoted.stdout
    assert "champion is now version 1" in promoted.stdout
