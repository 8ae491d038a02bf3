"""What a machine that has no more to give is told as."""

import errno
import os
from pathlib import Path

import pytest

from stages.engine.errors import of_the_machine
from stages.engine.files import write_text
from stages.engine.stage import run


def error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "make room"), (errno.EROFS, "for writing"), (errno.EACCES, "permissions"),
     (errno.EMFILE, "ulimit -n")],
)  # fmt: skip
def test_a_shortage_is_told_with_its_place_and_remedy(number: int, words: str) -> None:
    told = str(of_the_machine(error(number, "data/raw")))
    assert told.startswith("data/raw: expected ")
    assert os.strerror(number) in told
    assert words in told


def test_a_defect_of_ours_is_none() -> None:
    assert of_the_machine(error(errno.ENOENT, "x")) is None
    assert of_the_machine(OSError("no number")) is None


def test_a_stage_says_it_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(path: Path, data: bytes) -> int:
        path.touch()
        raise error(errno.ENOSPC)  # a write doesn't know its file's name

    monkeypatch.setattr("stages.engine.stage.die_with_parent", lambda _: None)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SystemExit, match=r"history\.csv: expected room on the disk"):
        run(lambda: write_text(tmp_path / "history.csv", "epoch\n"))
    assert list(tmp_path.iterdir()) == []


def test_a_stage_keeps_the_traceback_of_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise error(errno.ENOENT, "x")

    monkeypatch.setattr("stages.engine.stage.die_with_parent", lambda _: None)
    with pytest.raises(FileNotFoundError):
        run(lost)
