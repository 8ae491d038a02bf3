"""Git commands: what they print, and one clear error where they fail."""

import subprocess
from pathlib import Path

import pytest

from stages.engine import git
from stages.engine.errors import InputError


@pytest.fixture
def commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A commit with `a/file`, in a repository that is the current folder."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    Path("a/file").write_text("é\n", encoding="utf-8")
    git.output("init", "--quiet")
    git.output("add", "--all")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    git.output(*identity, "commit", "--quiet", "--message", "a file")
    return git.output("rev-parse", "HEAD").strip()


def test_output_is_what_git_prints(commit: str) -> None:
    assert git.output("log", "--format=%H") == f"{commit}\n"
    assert git.output_bytes("show", "HEAD:a/file") == "é\n".encode()
    assert git.output_or_none("rev-parse", "HEAD", timeout_s=60) == commit


def test_a_file_is_named_from_the_current_folder(
    commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git.file_at(commit, Path("a/file")) == "é\n"
    monkeypatch.chdir("a")
    assert git.file_at("HEAD", Path("file")) == "é\n"


def test_a_command_that_fails_is_an_error(commit: str) -> None:
    with pytest.raises(InputError, match=r"^git show: .*'b'"):
        git.file_at("HEAD", Path("b"))
    with pytest.raises(InputError, match=r"^git show: .*no-such-commit"):
        git.file_at("no-such-commit", Path("a/file"))
    assert git.output_or_none("rev-parse", "no-such-commit", timeout_s=60) is None


def test_without_git_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="git: not found; install git"):
        git.output("status")
    assert git.output_or_none("status", timeout_s=60) is None


def test_a_command_that_takes_too_long_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def expire(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("git", 1)

    monkeypatch.setattr(subprocess, "run", expire)
    assert git.output_or_none("status", timeout_s=1) is None
