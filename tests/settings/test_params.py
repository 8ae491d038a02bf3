"""params.yaml is closed: every key that is missing, unknown or wrong is named, before any work."""

import copy
import dataclasses
import importlib
import re
import types
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.commands import main
from stages.engine.errors import InputError
from stages.settings import params
from stages.settings.params import Params

ROOT = Path(__file__).parents[2]
TREE: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())

# Values of the right type that are out of range, for every key that has a range.
OUT_OF_RANGE: dict[str, list[Any]] = {
    "fetch.source": ["kaggle", "archive"],  # an archive wants a path
    "fetch.labels": [""],
    "fetch.url": ["images.zip", "file:///etc/hostname", "ftp://host/images.zip", "https:///x"],
    "fetch.sha256": ["abc", "G" * 64],
    "fetch.hash_names": [True],  # phantoms are nobody
    "fetch.phantom.seed": [-1, 2**32],
    "fetch.phantom.patients_train": [3, 10**6],
    "fetch.phantom.patients_test": [3, 10**6],
    "fetch.phantom.confound": [-0.1, 1.2, float("nan")],
    "preprocess.seed": [-1, 2**32],
    "preprocess.image_px": [31, 1025],
    "preprocess.aspect": ["pad"],
    "preprocess.val_fraction": [0.0, 0.6, float("nan")],
    "preprocess.test_fraction": [0.0, 0.6],
    "preprocess.max_unreadable_images": [-1],
    "preprocess.max_unreadable_share": [-0.1, 1.1],
    "preprocess.matched_donors": [-1, 101],
    "preprocess.tail_fraction": [-0.1, 0.6],
    "preprocess.audit.leaks": ["error"],
    "preprocess.audit.label_conflicts": ["no"],
    "preprocess.audit.shortcuts": [""],
    "preprocess.audit.shortcut_auroc": [0.4, 1.1],
    "train.seed": [-1, 2**32],
    "train.network": ["resnet", "MobileNetV9", ""],
    "train.weights": ["imagenet"],  # the compact network has none
    "train.widths": [[], [0], [16, -1]],
    "train.blocks": [0, 17],
    "train.crop_px": [31, 1025],
    "train.epochs": [0, -3],
    "train.batch": [0],
    "train.learning_rate": [0.0, -0.1, 11.0, float("inf"), float("nan")],
    "train.weight_decay": [-0.1, 11.0],
    "train.warmup_epochs": [-1, TREE["train"]["epochs"] + 1],
    "train.label_smoothing": [-0.1, 0.6],
    "train.ema": [-0.1, 1.0],
    "train.monitor": ["loss", "test_auroc"],
    "train.patience": [-1],
    "train.precision": ["float64", "float16"],
    "train.threads": [0, 257],
    "train.augment.area": [[0.5, 0.25], [0.0, 1.0], [0.5, 1.1], [0.5], [0.1, 0.2, 0.3]],
    "train.augment.aspect": [-0.1, 1.1],
    "train.augment.rotate_deg": [-1, 46],
    "train.augment.brightness": [-0.1, 0.6],
    "train.augment.contrast": [-0.1, 1.1],
    "train.augment.gamma": [-0.1, 1.1],
    "train.augment.blur_px": [-0.1, 5.1],
    "train.augment.resample": [0.0, 1.1],
    "train.augment.noise": [-0.1, 0.6],
    "evaluate.seed": [-1, 2**31],
    "evaluate.draws": [99, 10**6],
    "evaluate.confidence": [0.4, 1.0],
    "evaluate.ece_bins": [1, 101],
    "evaluate.saliency_images": [0, 17],
    "register.name": ["", "Upper", "a/b", "a b"],
    "register.floors.auroc": [-0.1, 1.1],
    "register.floors.sensitivity": [-0.1, 1.1],
    "register.floors.specificity": [-0.1, 1.1],
    "register.rule.ece": [-0.1, 1.1],
    "register.rule.margin_sensitivity": [-0.1, 1.1],
    "register.rule.margin_specificity": [-0.1, 1.1, float("nan")],
    "register.rule.margin_tail": [-0.1, 1.1],
    "register.rule.confidence": [0.4, 1.0],
    "register.rule.draws": [99, 10**6],
    "register.rule.seed": [-1, 2**31],
}
NO_RANGE = {"fetch.path", "train.class_balance", "train.augment.enabled", "train.augment.flip"}


def fields(cls: type, prefix: str = "") -> dict[str, Any]:
    """Type of every field beneath a dataclass by its dotted key, sections included."""
    found: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(cls).items():
        found[prefix + name] = hint
        if dataclasses.is_dataclass(hint):
            found |= fields(typing.cast(type, hint), f"{prefix}{name}.")
    return found


def keys(tree: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in tree.items():
        found.add(prefix + name)
        if isinstance(value, dict):
            found |= keys(value, f"{prefix}{name}.")
    return found


FIELDS = fields(Params)
SECTIONS = [key for key, hint in FIELDS.items() if dataclasses.is_dataclass(hint)]
LEAVES = [key for key in FIELDS if key not in SECTIONS]


def wrong_types(hint: Any) -> list[Any]:
    """Values that are of none of the types a field takes."""
    allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    tries: list[tuple[Any, tuple[Any, ...]]] = [
        (None, (types.NoneType,)),
        ("many", (str,)),
        (True, (bool,)),
        (7, (int, float)),
        (7.5, (float,)),
        ([1], ()),
        ({"a": 1}, ()),
    ]
    lists = any(typing.get_origin(kind) is tuple for kind in allowed)
    if lists:
        tries = [one for one in tries if one[0] != [1]] + [(["many"], ()), ([None], ())]
    return [value for value, kinds in tries if not set(kinds) & set(allowed)]


def changed(key: str, value: Any) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    *above, last = key.split(".")
    place = tree
    for name in above:
        place = place[name]
    place[last] = value
    return tree


def without(key: str) -> dict[str, Any]:
    tree = changed(key, None)
    *above, last = key.split(".")
    place = tree
    for name in above:
        place = place[name]
    del place[last]
    return tree


def refused(tree: Any, folder: Path) -> str:
    path = folder / "params.yaml"
    path.write_text(yaml.dump(tree, Dumper=yaml.CSafeDumper))  # hundreds of times: the fast one
    with pytest.raises(InputError) as caught:
        params.load(path)
    return str(caught.value)


def cases(values: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(key, value, id=f"{key}={value!r}")
        for key, several in values.items()
        for value in several
    ]


def test_the_file_is_what_the_dataclasses_hold() -> None:
    loaded = params.load(ROOT / "params.yaml")
    listed = dataclasses.asdict(loaded)
    listed["train"]["widths"] = list(loaded.train.widths)
    listed["train"]["augment"]["area"] = list(loaded.train.augment.area)
    assert listed == TREE


def test_the_files_keys_are_the_dataclasses_fields() -> None:
    assert keys(TREE) == set(FIELDS)


def test_every_key_has_its_range_tested() -> None:
    assert set(OUT_OF_RANGE) | NO_RANGE == set(LEAVES)
    assert not set(OUT_OF_RANGE) & NO_RANGE


def test_no_field_has_a_default_that_hides() -> None:
    for cls in [Params, *(FIELDS[key] for key in SECTIONS)]:
        for field in dataclasses.fields(cls):
            assert field.default is dataclasses.MISSING
            assert field.default_factory is dataclasses.MISSING
        assert cls.__dataclass_params__.frozen


@pytest.mark.parametrize("key", FIELDS)
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    said = refused(without(key), tmp_path)
    assert said.startswith(f"params.yaml: {key}: expected ")
    assert "the key is missing" in said


@pytest.mark.parametrize("section", ["", *SECTIONS])
def test_an_unknown_key_is_named(section: str, tmp_path: Path) -> None:
    key = f"{section}.epohcs".removeprefix(".")
    said = refused(changed(key, 3), tmp_path)
    assert said.startswith(f"params.yaml: {key}: expected no such key (known here: ")
    assert said.endswith("received 3")


@pytest.mark.parametrize(
    ("key", "value"), cases({key: wrong_types(hint) for key, hint in FIELDS.items()})
)
def test_a_wrong_type_is_named(key: str, value: Any, tmp_path: Path) -> None:
    said = refused(changed(key, value), tmp_path)
    inside = key in SECTIONS and isinstance(value, dict)  # a section, with an odd key in it
    if isinstance(value, list) and typing.get_origin(FIELDS[key]) is tuple:
        key, value = f"{key}[0]", value[0]
    named = re.escape(f"{key}.a" if inside else key)
    assert re.match(rf"params\.yaml: {named}\.?: expected ", said)  # a section may end in a dot
    assert f"received {1 if inside else repr(value)}" in said


@pytest.mark.parametrize(("key", "value"), cases(OUT_OF_RANGE))
def test_a_value_out_of_range_is_named(key: str, value: Any, tmp_path: Path) -> None:
    said = refused(changed(key, value), tmp_path)
    named = "fetch.path" if (key, value) == ("fetch.source", "archive") else key
    assert said.startswith(f"params.yaml: {named}: expected ")
    assert ", received " in said


@pytest.mark.parametrize("url", ["https://me:s3cr3t@host/images.zip", "https://host/f?sig=s3cr3t"])
def test_a_secret_in_an_address_is_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    said = refused(changed("fetch.url", url), tmp_path)
    assert said.startswith("params.yaml: fetch.url: expected an address without")
    assert "s3cr3t" not in said


def test_an_integer_will_do_for_a_number(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed("train.weight_decay", 1)))
    found = params.load(path).train.weight_decay
    assert (found, type(found)) == (1.0, float)


def test_a_number_that_yaml_takes_for_text_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    path.write_text(text.replace("learning_rate: 0.002", "learning_rate: 2e-3"))
    with pytest.raises(InputError) as caught:
        params.load(path)
    assert str(caught.value) == (
        "params.yaml: train.learning_rate: expected a number, received '2e-3', which YAML takes "
        "for text: write a number with a point and no quotes, as 1.0e-3"
    )


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just text\n"])
def test_a_file_without_sections_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"\(top level\): expected a mapping of keys to values"):
        params.load(path)


@pytest.mark.parametrize(
    "content", [b"train: [1, 2\n", b"train: \xff\xfe\n", b"a: !!python/name:os.system\n"]
)
def test_what_is_no_plain_yaml_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"params\.yaml: expected YAML, received"):
        params.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: expected the params file, found none"):
        params.load(tmp_path / "params.yaml")


@pytest.fixture
def spoiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose params.yaml is wrong in a section that most stages don't use."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed("register.floors.auroc", 90)))
    return tmp_path


@pytest.mark.parametrize("stage", ["fetch", "preprocess", "train", "evaluate", "register", "live"])
def test_every_stage_checks_the_whole_file_before_any_work(stage: str, spoiled: Path) -> None:
    module = importlib.import_module(f"stages.{stage}")
    with pytest.raises(InputError, match=r"register\.floors\.auroc: expected a number from 0 to 1"):
        module.main()
    assert [path.name for path in spoiled.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "image.png"],
        ["pin", "images.zip"],
        ["promote"],
        ["rollback"],
        ["history"],
        ["runs"],
        ["models"],
        ["sync"],
        ["ui"],
        ["results"],
        ["export", "model.h5"],
    ],
    ids=lambda words: str(words[0]),
)
def test_every_command_checks_it_too(
    words: list[str], spoiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 1
    assert capsys.readouterr().err.startswith("error: params.yaml: register.floors.auroc: expected")
    assert [path.name for path in spoiled.iterdir()] == ["params.yaml"]


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("  epochs:", "  epochs: 3\n  epochs:"), encoding="utf-8")
    with pytest.raises(InputError, match=r"'epochs' stands twice"):
        params.load(path)
