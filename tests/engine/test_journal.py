"""Circumstances of runs are kept by key and stage, at the repository's root."""

import subprocess
from pathlib import Path

import pytest

from stages.engine import journal
from stages.engine.errors import InputError


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_unknown_key_has_no_records() -> None:
    assert journal.read("abc") == {}
    assert not Path(".cache").exists()


def test_the_last_record_of_each_stage_is_kept() -> None:
    journal.record("abc", "train", seconds=1)
    journal.record("abc", "evaluate", seconds=2)
    journal.record("abc", "train", seconds=3)
    journal.record("other", "train", seconds=4)
    kept = journal.read("abc")
    assert {stage: facts["seconds"] for stage, facts in kept.items()} == {"train": 3, "evaluate": 2}
    assert kept["train"]["wall_s"] >= 0
    assert kept in list(journal.read_all())
    assert len(list(journal.read_all())) == 2


def test_circumstances_outside_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    monkeypatch.setenv("DVC_EXP_NAME", "odd-elk")
    found = journal.circumstances()
    assert found["git_commit"] is None
    assert found["git_dirty"] is False
    assert found["dvc_experiment"] == "odd-elk"
    journal.record("abc", "train")
    assert journal.read("abc")["train"].keys() == {*found, "wall_s"}


def test_an_experiment_in_another_folder_records_at_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(other)
    journal.record("abc", "train")
    assert (tmp_path / ".cache/journal/abc.json").exists()


@pytest.mark.parametrize(
    ("changed", "dirty"), [("dvc.lock", False), ("data/new.json", False), ("stages/new.py", True)]
)
def test_outputs_of_the_pipeline_do_not_make_the_tree_dirty(changed: str, dirty: bool) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(changed).parent.mkdir(exist_ok=True)
    Path(changed).write_text("new")
    assert journal.circumstances()["git_dirty"] is dirty


def test_a_broken_journal_file_is_named() -> None:
    path = Path(".cache/journal/abc.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InputError, match=r"abc\.json: expected JSON"):
        journal.read("abc")
