"""Faults of the machine that the user can fix are reported without a traceback."""

import errno
import os
from pathlib import Path

import pytest

from stages.engine.errors import (
    InputError,
    InvalidSettings,
    NotFound,
    ServiceUnavailable,
    UnusableImage,
    as_input_error,
)
from stages.engine.files import write_text
from stages.engine.stage import run


def error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("number", "problem", "remedy"),
    [
        (errno.ENOSPC, "the disk is full", "free some space"),
        (errno.EDQUOT, "the disk quota is used up", "free some space"),
        (errno.EROFS, "the file system is read-only", "mount it writable"),
        (errno.EACCES, "permission denied", "its permissions"),
        (errno.EPERM, "permission denied", "its permissions"),
        (errno.EMFILE, "too many open files", "ulimit -n"),
        (errno.ENFILE, "too many open files", "close other programs"),
        (errno.EIO, "the disk fails", "check the disk"),
    ],
)
def test_the_message_names_place_problem_and_remedy(number: int, problem: str, remedy: str) -> None:
    message = str(as_input_error(error(number, "data/raw")))
    assert message.startswith(f"data/raw: {problem}")
    assert os.strerror(number) in message
    assert remedy in message


@pytest.mark.parametrize("kind", [InvalidSettings, UnusableImage, NotFound, ServiceUnavailable])
def test_each_kind_is_an_input_error(kind: type[Exception]) -> None:
    assert issubclass(kind, InputError)


def test_a_bug_is_none() -> None:
    assert as_input_error(error(errno.ENOENT, "x")) is None
    assert as_input_error(OSError("no number")) is None


def test_a_stage_prints_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(path: Path, data: bytes) -> int:
        path.touch()
        raise error(errno.ENOSPC)  # a write doesn't know its file's name

    monkeypatch.setattr("stages.engine.stage.die_with_parent", lambda _: None)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SystemExit, match=r"history\.csv: the disk is full"):
        run(lambda: write_text(tmp_path / "history.csv", "epoch\n"))
    assert list(tmp_path.iterdir()) == []


def test_a_stage_keeps_the_traceback_of_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise error(errno.ENOENT, "x")

    monkeypatch.setattr("stages.engine.stage.die_with_parent", lambda _: None)
    with pytest.raises(FileNotFoundError):
        run(lost)
