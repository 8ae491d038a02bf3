"""One patience for all stages of a `dvc repro`, which is the process that starts them."""

import os
import time
from pathlib import Path

import pytest

from stages.engine import patience
from stages.engine.patience import waiting


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def wait(monkeypatch: pytest.MonkeyPatch, seconds: float) -> float:
    """Wait so long, on a clock that is told; what was left before."""
    clock = iter((100.0, 100.0 + seconds))
    with monkeypatch.context() as told:
        told.setattr(time, "monotonic", lambda: next(clock))
        with waiting() as left:
            pass
    return left


def test_what_one_stage_waited_the_next_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wait(monkeypatch, 4) == patience.TOTAL_S
    assert wait(monkeypatch, 5) == patience.TOTAL_S - 4
    assert wait(monkeypatch, 7) == patience.TOTAL_S - 9
    assert wait(monkeypatch, 1) == 0


def test_the_next_pipeline_has_all_of_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wait(monkeypatch, 10)
    monkeypatch.setattr(os, "getppid", os.getpid)
    assert wait(monkeypatch, 1) == patience.TOTAL_S


def test_an_id_that_was_used_before_is_another_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    wait(monkeypatch, 10)
    monkeypatch.setattr(patience, "_begun", lambda _: "later")
    assert wait(monkeypatch, 1) == patience.TOTAL_S


def test_a_wait_that_fails_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 3.0))
    with monkeypatch.context() as told:
        told.setattr(time, "monotonic", lambda: next(clock))
        with pytest.raises(OSError, match="gone"), waiting():
            raise OSError("gone")
    assert wait(monkeypatch, 0) == patience.TOTAL_S - 3


def test_what_is_old_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Path(".cache/waited/1-1.json")
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    os.utime(old, (0, 0))
    wait(monkeypatch, 1)
    assert not old.exists()
