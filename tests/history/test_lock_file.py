"""dvc.lock as one class: what it holds, when it answers for a tree, and broken files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine.errors import InputError, NotFound
from stages.history.lock_file import LockFile, dvc_md5
from stages.history.plan import read_plan
from tests.workspace import ROOT

TEXT = (ROOT / "dvc.lock").read_text(encoding="utf-8")
A, B = "a" * 32, "b" * 32 + ".dir"
STAGE = {
    "cmd": "python -m stages.train",
    "deps": [{"path": "code.py", "hash": "md5", "md5": A, "size": 1}],
    "params": {
        "params.yaml": {"train": {"seed": 0}, "preprocess.image_px": 64},
        "data/inputs.json": {"train": {"weights": None}},
    },
    "outs": [{"path": "data/model", "hash": "md5", "md5": B, "size": 1, "nfiles": 2}],
}


def lock_of(**stages: Any) -> str:
    return yaml.safe_dump({"schema": "2.0", "stages": stages})


def test_it_holds_command_params_and_md5_by_path() -> None:
    lock = LockFile.parse(lock_of(train=STAGE), "dvc.lock")
    record = lock.stage("train")
    assert record.command == "python -m stages.train"
    assert record.params == {
        "params.yaml": {"train": {"seed": 0}, "preprocess.image_px": 64},
        "data/inputs.json": {"train": {"weights": None}},
    }
    assert record.deps == {"code.py": A}
    assert record.outs == {"data/model": B} == lock.outs
    assert lock.stage("evaluate").outs == {}
    assert lock.stage("evaluate").command == ""


def test_this_repositorys_file_is_read_as_yaml_has_it() -> None:
    lock, tree = LockFile.read(ROOT / "dvc.lock"), yaml.safe_load(TEXT)["stages"]
    assert lock.stages.keys() == tree.keys()
    for name, stage in tree.items():
        record = lock.stage(name)
        assert record.command == stage["cmd"]
        assert record.params == stage.get("params", {})
        assert record.deps == {dep["path"]: dep["md5"] for dep in stage.get("deps", [])}
        assert record.outs == {out["path"]: out["md5"] for out in stage["outs"]}


def test_a_file_cut_off_anywhere_is_shorter_or_an_error() -> None:
    whole = LockFile.parse(TEXT, "dvc.lock")
    errors = []
    for end in range(0, len(TEXT), 997):
        try:
            found = LockFile.parse(TEXT[:end], "dvc.lock")
        except InputError as error:
            errors.append(str(error))
            continue
        for name, record in found.stages.items():
            assert record.deps.items() <= whole.stages[name].deps.items()
            assert record.outs.items() <= whole.stages[name].outs.items()
    assert errors
    for message in errors:
        assert message.startswith("dvc.lock: ")
        assert "expected a whole lock file of DVC (schema 2.0)" in message
        assert "restore it by `git checkout dvc.lock`" in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "received an empty file"),
        ("- a\n", "received list"),
        ("stages: [", "expected YAML"),
        ("schema: '1.0'\nstages: {}\n", "schema '1.0'"),
        ("other: 1\n", "KeyError('stages')"),
        ("stages:\n", "NoneType"),
        (lock_of(train={**STAGE, "outs": [{"path": "data/model"}]}), "KeyError('md5')"),
        (
            lock_of(train={**STAGE, "outs": [{"path": "data/model", "md5": A[:9]}]}),
            "data/model: md5 'aaaaaaaaa'",
        ),
        (lock_of(train={**STAGE, "outs": [{"path": "data/model", "md5": None}]}), "md5 'None'"),
        (lock_of(train={**STAGE, "outs": None}), "NoneType"),
        (lock_of(train={**STAGE, "deps": 3}), "int"),
        (lock_of(train={"outs": []}), "KeyError('cmd')"),
        (lock_of(train=None), "NoneType"),
    ],
)
def test_a_foreign_or_broken_file_is_named_with_what_to_do(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=re.escape(problem)) as raised:
        LockFile.parse(text, "dvc.lock at 1234567")
    assert str(raised.value).startswith("dvc.lock at 1234567: ")
    assert "then run `dvc repro`" in str(raised.value)


def test_a_missing_file_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match=r"dvc.lock: no such file; `dvc repro` writes it"):
        LockFile.read()
    with pytest.raises(NotFound, match=r"^git show: "):
        LockFile.at("HEAD")


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_bytes(b"stages:\n  \xff\x00")
    with pytest.raises(InputError, match="expected a whole lock file"):
        LockFile.read(path)


PLAN = {
    "cmd": "python -m stages.train",
    "deps": ["code.py", "data/shards"],
    "params": ["train", "preprocess.image_px", {"data/inputs.json": ["train"]}],
    "outs": [{"data/model": {"persist": True}}],
    "metrics": [{"data/validation.json": {"cache": False}}],
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the files that a stage reads and that no other stage makes."""
    (tmp_path / "code.py").write_text("code")
    params = {"train": {"seed": 0}, "preprocess": {"image_px": 64, "seed": 5}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/inputs.json").write_text(json.dumps({"format": 1, "train": {"weights": A}}))
    return tmp_path


def record_of(tree: Path) -> dict[str, Any]:
    return {
        "preprocess": {"cmd": "p", "outs": [{"path": "data/shards", "md5": B}]},
        "train": {
            "cmd": PLAN["cmd"],
            "deps": [
                {"path": "code.py", "md5": dvc_md5(tree / "code.py")},
                {"path": "data/shards", "md5": B},
            ],
            "params": {
                "params.yaml": {"train": {"seed": 0}, "preprocess.image_px": 64},
                "data/inputs.json": {"train": {"weights": A}},
            },
            "outs": [
                {"path": "data/model", "md5": B},
                {"path": "data/validation.json", "md5": A},
            ],
        },
    }


def answers(tree: Path, record: dict[str, Any], plan: dict[str, Any] = PLAN) -> bool:
    (tree / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": plan}}))
    lock = LockFile.parse(lock_of(**record), "dvc.lock")
    return lock.answers_for("train", read_plan(tree / "dvc.yaml")["train"], tree)


def test_it_answers_for_the_tree_it_was_written_in(tree: Path) -> None:
    assert answers(tree, record_of(tree))


def test_it_does_not_answer_for_other_code_params_or_data(tree: Path) -> None:
    record = record_of(tree)
    (tree / "code.py").write_text("other code")
    assert not answers(tree, record)
    record = record_of(tree)
    assert answers(tree, record)
    params = {"train": {"seed": 1}, "preprocess": {"image_px": 64, "seed": 5}}
    (tree / "params.yaml").write_text(yaml.safe_dump(params))
    assert not answers(tree, record)
    params = {"train": {"seed": 0}, "preprocess": {"image_px": 64, "seed": 6}}
    (tree / "params.yaml").write_text(yaml.safe_dump(params))
    assert answers(tree, record)  # a key that the stage does not depend on
    inputs = tree / "data/inputs.json"
    before = inputs.read_text()
    inputs.write_text(before.replace(A, "c" * 32))
    assert not answers(tree, record)
    inputs.unlink()
    assert not answers(tree, record)
    inputs.write_text(before)
    assert answers(tree, record)
    record["preprocess"]["outs"][0]["md5"] = A
    assert not answers(tree, record)
    del record["train"]
    assert not answers(tree, record)


@pytest.mark.parametrize(
    "change",
    [
        {"cmd": "python -m stages.other"},
        {"deps": ["code.py"]},
        {"params": ["train", {"data/inputs.json": ["train"]}]},
        {"params": ["train", "preprocess.image_px"]},
        {"outs": ["data/model", "data/other"]},
    ],
)
def test_it_does_not_answer_for_another_plan(tree: Path, change: dict[str, Any]) -> None:
    assert not answers(tree, record_of(tree), {**PLAN, **change})


@pytest.mark.parametrize("text", ["", "stages:\n", "stages: {train: {deps: []}}", "stages: ["])
def test_a_broken_plan_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(InputError, match=r"^dvc.yaml: expected "):
        read_plan(tmp_path / "dvc.yaml")


def test_the_md5_is_dvcs(tmp_path: Path) -> None:
    assert dvc_md5(tmp_path / "none") is None
    (tmp_path / "folder/sub").mkdir(parents=True)
    (tmp_path / "folder/b").write_text("2")
    (tmp_path / "folder/sub/a").write_text("1")
    assert dvc_md5(tmp_path / "folder/b") == "c81e728d9d4c2f636f067f89cc14862c"
    # As `dvc add folder` of DVC 3.67 has it.
    assert dvc_md5(tmp_path / "folder") == "ab95acda3aaa1adb6a79c70064cc7a7a.dir"
