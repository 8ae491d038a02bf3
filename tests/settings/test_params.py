"""params.yaml is closed: every key that is missing, unknown or wrong is named, before any work."""

import ast
import copy
import importlib
import inspect
import itertools
import re
import textwrap
import types
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.commands import main
from stages.engine import keys
from stages.engine.errors import InputError, InvalidSettings
from stages.engine.options import Options
from stages.engine.task import NOTHING, ClassNames
from stages.settings import params
from stages.settings.params import Params
from stages.sources.options import FetchOptions, SeveralSources

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
    "train.views": [0, 3, 8],
    "train.refused_share": [0, -0.01, 0.21],
    "train.decision_sensitivity": [0, 0.4, 1, "high"],
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
    "train.fine_tune.frozen_stages": [-1, 11, 2],  # the compact network starts from random weights
    "train.fine_tune.freeze_norm": [True],
    "train.fine_tune.learning_rate_decay": [0.0, 1.1, 0.5],
    "evaluate.seed": [-1, 2**31],
    "evaluate.draws": [99, 10**6],
    "evaluate.confidence": [0.4, 1.0],
    "evaluate.ece_bins": [1, 101],
    "evaluate.saliency_images": [0, 17],
    "task.classes": [
        *(["one"], ["intact", "intact"], ["Intact", "intact"], ["0", "1"], ["", "x"], [" x", "y"]),
        *(["x" * 41, "y"], ["a\nb", "c"], ["a\u200bb", "c"], ["a", "b", "c"]),
        *(["\xe9", "e\u0301"], ["a b", "a  b"], ["\uff10", "\uff11"], ["\u3164", "x"]),
    ],
    "task.body_part": ["TIBIA", "wrist", ""],
    **{
        f"task.{key}": ["", " \n", "\x1b[2J"]
        for key in (
            *("title", "population", "reference", "use", "limits", "not_covered", "known"),
            "citation",
        )
    },
    "register.name": ["", "Upper", "a/b", "a b"],
    "register.public_key": ["", "a\nb", 3],
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


def fields(cls: type[Options], prefix: str = "") -> dict[str, Any]:
    """Type of every field of a model by its dotted key, sections included."""
    found: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        key = prefix + (field.alias or name)
        found[key] = annotation = of_the_file(field.annotation)
        if is_section(annotation):
            found |= fields(typing.cast(type[Options], annotation), f"{key}.")
    return found


def of_the_file(hint: Any) -> Any:
    """The form that the file has, of a section with two forms."""
    return FetchOptions if hint == FetchOptions | SeveralSources else hint


def is_section(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Options)


def paths_of(tree: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in tree.items():
        found.add(prefix + name)
        if isinstance(value, dict):
            found |= paths_of(value, f"{prefix}{name}.")
    return found


FIELDS = fields(Params)
SECTIONS = [key for key, hint in FIELDS.items() if is_section(hint)]
LEAVES = [key for key in FIELDS if key not in SECTIONS]


def wrong_types(hint: Any) -> list[Any]:
    """Values that are of none of the types a field takes."""
    unions = (types.UnionType, typing.Union)
    options = typing.get_args(hint) if typing.get_origin(hint) in unions else (hint,)
    allowed = tuple(plain(kind) for kind in options)
    tries: list[tuple[Any, tuple[Any, ...]]] = [
        (None, (types.NoneType,)),
        ("many", (str,)),
        (True, (bool,)),
        (7, (int, float)),
        (7.5, (float,)),
        ([1], ()),
        ({"a": 1}, ()),
    ]
    if tuple in allowed:
        tries = [one for one in tries if one[0] != [1]]
        tries += [([None, None], ())]
        tries += [] if ClassNames in options else [(["many", "more"], ())]
    return [value for value, kinds in tries if not set(kinds) & set(allowed)]


def plain(hint: Any) -> Any:
    """The type without its range: str of a Literal of texts, float of an Annotated one."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return str
    if origin is typing.Annotated:
        return plain(typing.get_args(hint)[0])
    return origin or hint


def changed(key: str, value: Any) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    section, last = above(tree, key)
    section[last] = value
    return tree


def without(key: str) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    section, last = above(tree, key)
    del section[last]
    return tree


def above(tree: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    section, _, last = key.rpartition(".")
    return (keys.get(tree, section) if section else tree), last


def refused(tree: Any, folder: Path) -> str:
    path = folder / "params.yaml"
    path.write_text(yaml.dump(tree, Dumper=yaml.CSafeDumper))  # hundreds of times: the fast one
    with pytest.raises(InvalidSettings) as caught:
        params.load(path)
    return str(caught.value).removeprefix(f"{folder}/")


def cases(values: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(key, value, id=f"{key}={value!r}")
        for key, several in values.items()
        for value in several
    ]


def test_loading_keeps_every_value_of_the_file() -> None:
    loaded = params.load(ROOT / "params.yaml")
    listed = loaded.model_dump(by_alias=True)
    listed["train"]["widths"] = list(loaded.train.widths)
    listed["train"]["augment"]["area"] = list(loaded.train.augment.area)
    assert listed == TREE


def test_params_of_earlier_commits_with_keyless_hashes_can_be_read() -> None:
    tree = copy.deepcopy(TREE)
    tree["fetch"] |= {"source": "archive", "path": "images.zip", "hash_names": True}
    assert params.check(tree).fetch.listed[0].hash_names is True  # fetch and inputs refuse it


def test_the_files_keys_are_the_models_fields() -> None:
    assert paths_of(TREE) == set(FIELDS)


def test_every_key_has_its_range_tested() -> None:
    assert set(OUT_OF_RANGE) | NO_RANGE == set(LEAVES)
    assert not set(OUT_OF_RANGE) & NO_RANGE


def test_every_model_is_closed_frozen_and_without_defaults() -> None:
    for cls in [Params, *(FIELDS[key] for key in SECTIONS)]:
        optional = [key for key, field in cls.model_fields.items() if not field.is_required()]
        assert optional == (["task"] if cls is Params else [])
        config = cls.model_config
        assert (config["extra"], config["frozen"], config["strict"]) == ("forbid", True, True)


def documented(model: type[Options]) -> set[str]:
    """The fields of a model that have a docstring, those of its base included."""
    found = set()
    for cls in model.__mro__[: model.__mro__.index(Options)]:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(node, ast.ClassDef)
        for field, following in itertools.pairwise(node.body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
            ):
                found.add(field.target.id)
    return found


@pytest.mark.parametrize("section", ["", *SECTIONS])
def test_every_field_has_a_docstring(section: str) -> None:
    model: type[Options] = FIELDS[section] if section else Params
    assert documented(model) == set(model.model_fields)


@pytest.mark.parametrize("key", [key for key in FIELDS if key != "task"])
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    message = refused(without(key), tmp_path)
    assert message.startswith(f"params.yaml: {key}: the key is missing; add ")


def test_without_the_section_task_nothing_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(without("task")))
    assert params.load(path).task == NOTHING


@pytest.mark.parametrize("section", ["", *SECTIONS])
def test_an_unknown_key_is_named(section: str, tmp_path: Path) -> None:
    message = refused(changed(f"{section}.qqq".removeprefix("."), 3), tmp_path)
    place = f"params.yaml: {section}: " if section else "params.yaml: "
    known = FIELDS[section].model_fields if section else ("fetch", "preprocess", "train")
    assert message.startswith(f"{place}unknown key `qqq`; known keys: {', '.join(known)}")


@pytest.mark.parametrize(
    ("key", "value"), cases({key: wrong_types(hint) for key, hint in FIELDS.items()})
)
def test_a_wrong_type_is_named(key: str, value: Any, tmp_path: Path) -> None:
    message = refused(changed(key, value), tmp_path)
    if key in SECTIONS and isinstance(value, dict):  # a section with an odd key in it
        assert f"{key}: unknown key `a`; " in message
        return
    if isinstance(value, list) and (plain(FIELDS[key]) is tuple or key == "task.classes"):
        key, value = f"{key}[0]", value[0]
    assert f"{key}: expected " in message
    assert f"received {'null' if value is None else repr(value)}" in message


@pytest.mark.parametrize(("key", "value"), cases(OUT_OF_RANGE))
def test_a_value_out_of_range_is_named(key: str, value: Any, tmp_path: Path) -> None:
    message = refused(changed(key, value), tmp_path)
    named = "fetch.path" if (key, value) == ("fetch.source", "archive") else key
    assert re.search(rf"{re.escape(named)}(\[\d\])?: expected ", message)
    assert ", received " in message


@pytest.mark.parametrize("url", ["https://me:s3cr3t@host/images.zip", "https://host/f?sig=s3cr3t"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    message = refused(changed("fetch.url", url), tmp_path)
    assert message.startswith("params.yaml: fetch.url: expected an address without")
    assert "s3cr3t" not in message


def test_an_integer_becomes_a_number(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed("train.weight_decay", 1)))
    found = params.load(path).train.weight_decay
    assert (found, type(found)) == (1.0, float)


def test_a_number_that_yaml_takes_for_text_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    path.write_text(text.replace("learning_rate: 0.002", "learning_rate: 2e-3"))
    with pytest.raises(InvalidSettings) as caught:
        params.load(path)
    assert str(caught.value) == (
        f"{path}: train.learning_rate: expected a number from 1e-08 to 10, received '2e-3', which "
        "YAML takes for text: write a number with a point and no quotes, as 1.0e-3"
    )


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just text\n"])
def test_a_file_without_sections_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"\(top level\): expected a mapping with the keys fetch"):
        params.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"train: [1, 2\n",
        b"train: \xff\xfe\n",
        b"a: !!python/name:os.system\n",
        b"a: 2001-99-99\n",
        b"a: " + b"[" * 10_000,
    ],
)
def test_a_file_that_is_not_plain_yaml_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"params\.yaml: not valid YAML: "):
        params.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml: no such file; run from the root"):
        params.load(tmp_path / "params.yaml")


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose params.yaml is wrong in a section that most stages don't read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed("register.floors.auroc", 90)))
    return tmp_path


@pytest.mark.parametrize("module", ["inputs", "register", "commands.live"])
def test_the_whole_file_is_checked_before_any_work(module: str, wrong: Path) -> None:
    with pytest.raises(
        InvalidSettings, match=r"register\.floors\.auroc: expected a number from 0 to 1"
    ):
        importlib.import_module(f"stages.{module}").main()
    assert [path.name for path in wrong.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("stage", "key"),
    [
        ("fetch", "fetch.phantom.seed"),
        ("preprocess", "preprocess.audit.shortcut_auroc"),
        ("train", "train.augment.noise"),
        ("evaluate", "evaluate.draws"),
        ("evaluate", "train.threads"),
    ],
)
def test_a_stage_checks_what_it_reads_before_any_work(
    stage: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(key, -1)))
    with pytest.raises(InvalidSettings, match=rf"^params\.yaml: {re.escape(key)}: Input should be"):
        importlib.import_module(f"stages.{stage}").main()
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


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
    words: list[str], wrong: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 1
    assert capsys.readouterr().err.startswith("error: params.yaml: register.floors.auroc: expected")
    assert [path.name for path in wrong.iterdir()] == ["params.yaml"]


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("  epochs:", "  epochs: 3\n  epochs:"), encoding="utf-8")
    with pytest.raises(InputError, match=r"'epochs' is given twice"):
        params.load(path)
