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
    journal.write("abc", "train", {"seconds": 1})
    journal.write("abc", "evaluate", {"seconds": 2})
    journal.write("abc", "train", {"seconds": 3})
    journal.write("other", "train", {"seconds": 4})
    assert journal.read("abc") == {"train": {"seconds": 3}, "evaluate": {"seconds": 2}}


def test_circumstances_outside_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    monkeypatch.setenv("DVC_EXP_NAME", "odd-elk")
    found = journal.circumstances()
    assert found["git_commit"] is None
    assert found["git_dirty"] is False
    assert found["dvc_experiment"] == "odd-elk"
    journal.write("abc", "train", found)
    assert journal.read("abc")["train"] == found


def test_a_broken_journal_is_named() -> None:
    path = Path(".cache/journal/abc.json")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InputError, match=r"abc\.json: expected JSON"):
        journal.read("abc")
