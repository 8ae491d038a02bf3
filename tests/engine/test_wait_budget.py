"""All stages of one `dvc repro` share one wait budget; the next `dvc repro` has a full one."""

import os
import time
from pathlib import Path

import pytest

from stages.engine import wait_budget


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def spend(monkeypatch: pytest.MonkeyPatch, seconds: float) -> float:
    """Spend so many seconds by a fake clock; return what was left before."""
    clock = iter((100.0, 100.0 + seconds))
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: next(clock))
        with wait_budget.spend() as remaining_s:
            pass
    return remaining_s


def test_what_one_stage_spends_the_next_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spend(monkeypatch, 4) == wait_budget.TOTAL_S
    assert spend(monkeypatch, 5) == wait_budget.TOTAL_S - 4
    assert spend(monkeypatch, 7) == wait_budget.TOTAL_S - 9
    assert spend(monkeypatch, 1) == 0


def test_the_next_pipeline_has_the_full_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    spend(monkeypatch, 10)
    monkeypatch.setattr(os, "getppid", os.getpid)
    assert spend(monkeypatch, 1) == wait_budget.TOTAL_S


def test_a_reused_process_id_is_another_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    spend(monkeypatch, 10)
    monkeypatch.setattr(wait_budget, "_start_time", lambda _: "later")
    assert spend(monkeypatch, 1) == wait_budget.TOTAL_S


def test_a_wait_that_fails_is_charged_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 3.0))
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: next(clock))
        with pytest.raises(OSError, match="gone"), wait_budget.spend():
            raise OSError("gone")
    assert spend(monkeypatch, 0) == wait_budget.TOTAL_S - 3


def test_old_files_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Path(".cache/wait_budget/1-1.json")
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    os.utime(old, (0, 0))
    spend(monkeypatch, 1)
    assert not old.exists()
