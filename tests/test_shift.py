"""What the shift validation is for, on phantoms: it foresees the test split, the random one does
not."""

import json
from typing import Any

import pytest

from tests.workspace import Workspace, copy_tree


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The default phantoms, learned at small size by a network that may take any shortcut."""
    workspace = copy_tree(tmp_path_factory.mktemp("naive") / "repository")
    workspace.params({
        "fetch.phantom.patients_train": 450, "fetch.phantom.patients_test": 190,
        "fetch.phantom.confound": 0.9, "preprocess.matched_donors": 5,
        "preprocess.image_px": 64, "train.crop_px": 64, "train.augment.enabled": False,
        "train.widths": [16, 32, 64], "train.epochs": 12, "train.learning_rate": 0.002,
        "train.ema": 0.9, "evaluate.draws": 200,
    })  # fmt: skip
    workspace.run("dvc", "repro", "evaluate")
    return workspace


@pytest.mark.slow
def test_matched_foresees_test_and_random_does_not(naive: Workspace) -> None:
    validation = json.loads(naive.text("data/validation.json"))
    test = json.loads(naive.text("data/report/metrics.json"))["test"]
    for path in (("auroc",), ("decision", "specificity")):
        random, matched, seen = (
            _value(tree, path) for tree in (validation["val"], validation["val_matched"], test)
        )
        promised_too_much = random - seen
        assert promised_too_much > 0.03, (path, random, matched, seen)
        assert abs(matched - seen) < promised_too_much / 2, (path, random, matched, seen)


def _value(tree: dict[str, Any], path: tuple[str, ...]) -> float:
    for key in path:
        tree = tree[key]
    return float(tree["value"])


@pytest.mark.slow
def test_the_rule_that_ships_is_one_that_survives_on_test(naive: Workspace) -> None:
    told = naive.run("pneumonia", "study", "thresholds").stdout.splitlines()
    balanced = {
        row.split(" | ")[0].removeprefix("| "): float(row.split(" | ")[-1].rstrip(" |"))
        for row in told[2:]
    }
    shipped = balanced["equal error, random and matched (shipped)"]
    assert shipped > balanced["equal error, random normals"]
    assert shipped > balanced["specificity 0.95, random normals"]
