"""Presets: each file is allowed among the committed params, and sets what the others set."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine import keys
from stages.engine.errors import InvalidSettings
from stages.settings import params, preset, section
from tests.workspace import ROOT


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    content: dict[str, Any] = section.read(ROOT / "params.yaml")
    return content


def test_each_file_is_a_preset() -> None:
    assert {file.stem for file in preset.FOLDER.glob("*.yaml")} == {*preset.NAMES}


@pytest.mark.parametrize("name", preset.NAMES)
def test_a_preset_is_loaded(name: str, tree: dict[str, Any]) -> None:
    assert preset.load(name, tree).flat()["train.network"]


def test_all_presets_set_the_same_keys(tree: dict[str, Any]) -> None:
    # So that one replaces another, whatever was written into params.yaml before.
    first, *others = (preset.load(name, tree).flat() for name in preset.NAMES)
    assert all(list(other) == list(first) for other in others)


def test_scratch_is_the_committed_default(tree: dict[str, Any]) -> None:
    committed = keys.flatten(tree)
    for key, value in preset.load("scratch", tree).flat().items():
        assert value == committed[key], f"{key}: change both, or {key} is lost by the preset"


def test_the_other_params_are_checked_with_it(tree: dict[str, Any]) -> None:
    broken = {**tree, "train": {**tree["train"], "patience": -1}}
    with pytest.raises(InvalidSettings, match=r"train\.patience: expected an integer from 0"):
        preset.load("pretrained", broken)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": {"epoch": 3}}, "unknown key train.epoch"),
        ({"trains": {"epochs": 3}}, "unknown key trains.epochs"),
        ({"train": {"epochs": 0}}, "train.epochs: expected an integer from 1, received 0"),
        ({"train": {"epochs": 1, "batch": 0}}, "train.batch: expected an integer from 1"),
        ({"train": {"network": "MobileNetV9"}}, "train.network: expected one of"),
        ({"train": {"network": "seed", "weights": "imagenet"}}, "train.weights: expected a file"),
        ({"train": {"augment": 3}}, "train.augment: expected a mapping"),
        ({"train": {"augment": {"area": [1.0, 0.5]}}}, "train.augment.area: expected a pair"),
    ],
)
def test_an_unknown_key_or_a_bad_value_is_refused(
    values: dict[str, Any], message: str, tree: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"about": "mine", "values": values}), encoding="utf-8")
    with pytest.raises(InvalidSettings, match=message) as caught:
        preset.read(file, tree)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "train: {epochs: 3}", "about: x", "about: 3\nvalues: {}", "about: x\nvalues: {}\nmore: 1"],
)
def test_a_file_of_another_form_is_refused(text: str, tree: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSettings, match=r"mine\.yaml: expected two keys, `about`"):
        preset.read(file, tree)


def test_an_unknown_name_is_answered_with_the_known_ones(tree: dict[str, Any]) -> None:
    for name in ("pretraned", "../../../params", ""):
        with pytest.raises(InvalidSettings, match="one of scratch, pretrained, gpu, received"):
            preset.load(name, tree)


def test_a_preset_leaves_the_params_that_it_is_checked_with(tree: dict[str, Any]) -> None:
    before = yaml.safe_dump(tree)
    preset.load("pretrained", tree)
    assert yaml.safe_dump(tree) == before
    params.check(tree)
