"""On phantoms, the shift validation predicts the figures on test; the random one does not."""

import json
from typing import Any

import pytest

from tests.workspace import Workspace, copy_tree


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The pipeline up to evaluate with a small network that is free to use shortcuts."""
    workspace = copy_tree(tmp_path_factory.mktemp("naive") / "repository")
    workspace.params(
        {
            "fetch.phantom.patients_train": 450,
            "fetch.phantom.patients_test": 190,
            "fetch.phantom.confound": 0.9,
            "preprocess.matched_donors": 5,
            "preprocess.image_px": 64,
            "train.crop_px": 64,
            "train.augment.enabled": False,
            "train.widths": [16, 32, 64],
            "train.epochs": 12,
            "train.learning_rate": 0.002,
            "train.ema": 0.9,
            "evaluate.draws": 200,
        }
    )
    workspace.run("dvc", "repro", "evaluate")
    return workspace


@pytest.mark.slow
def test_matched_predicts_test_and_random_does_not(naive: Workspace) -> None:
    validation = json.loads(naive.text("data/validation.json"))
    test = json.loads(naive.text("data/report/metrics.json"))["test"]
    for path in (("auroc",), ("decision", "specificity")):
        random, matched, seen = (
            _value(tree, path) for tree in (validation["val"], validation["val_matched"], test)
        )
        overestimate = random - seen
        assert overestimate > 0.03, (path, random, matched, seen)
        assert abs(matched - seen) < overestimate / 2, (path, random, matched, seen)


def _value(tree: dict[str, Any], path: tuple[str, ...]) -> float:
    for key in path:
        tree = tree[key]
    return float(tree["value"])


@pytest.mark.slow
def test_the_pooled_rule_beats_rules_from_random_normals_on_test(naive: Workspace) -> None:
    table = naive.run("pneumonia", "study", "thresholds").stdout.splitlines()
    balanced = {
        row.split(" | ")[0].removeprefix("| "): float(row.split(" | ")[-1].rstrip(" |"))
        for row in table[2:]
    }
    pooled = balanced["equal error, random and matched"]
    assert pooled > balanced["equal error, random normals"]
    assert pooled > balanced["specificity 0.95, random normals"]
