import subprocess
from pathlib import Path

import pytest

from stages.engine import journal
from stages.engine.errors import InputError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_without_a_journal_has_nothing_to_say() -> None:
    assert journal.read("abc") == {}
    assert not Path(".cache").exists()


def test_stages_stand_side_by_side_and_the_last_word_counts() -> None:
    journal.record("abc", "train", seconds=1)
    journal.record("abc", "evaluate", seconds=2)
    journal.record("abc", "train", seconds=3)
    journal.record("other", "train", seconds=4)
    kept = journal.read("abc")
    assert {stage: facts["seconds"] for stage, facts in kept.items()} == {"train": 3, "evaluate": 2}
    assert kept["train"]["wall_s"] >= 0
    assert kept in list(journal.every())
    assert len(list(journal.every())) == 2


def test_circumstances_outside_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    monkeypatch.setenv("DVC_EXP_NAME", "odd-elk")
    found = journal.circumstances()
    assert found["git_commit"] is None
    assert found["git_dirty"] is False
    assert found["dvc_experiment"] == "odd-elk"
    journal.record("abc", "train")
    assert journal.read("abc")["train"].keys() == {*found, "wall_s"}


def test_an_experiment_in_another_folder_keeps_it_at_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(elsewhere)
    journal.record("abc", "train")
    assert (tmp_path / ".cache/journal/abc.json").exists()


@pytest.mark.parametrize(
    ("changed", "dirty"), [("dvc.lock", False), ("data/new.json", False), ("stages/new.py", True)]
)
def test_what_the_pipeline_writes_makes_no_tree_dirty(changed: str, dirty: bool) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(changed).parent.mkdir(exist_ok=True)
    Path(changed).write_text("new")
    assert journal.circumstances()["git_dirty"] is dirty


def test_a_broken_journal_is_named() -> None:
    path = Path(".cache/journal/abc.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InputError, match=r"abc\.json: expected JSON"):
        journal.read("abc")
