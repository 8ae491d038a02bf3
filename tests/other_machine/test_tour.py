"""The README's tour on a machine of another class than that of the record."""

import os
import re
from pathlib import Path

import pytest

from tests.workspace import Workspace

HOOK = Path(__file__).parent / "hook"


@pytest.mark.slow
def test_a_machine_of_another_class_commits_its_own_record(
    finished: Workspace, tmp_path: Path
) -> None:
    clone = Workspace(tmp_path / "clone")
    finished.run("git", "clone", "--quiet", ".", str(clone.folder))
    for key in ("user.name", "user.email"):
        clone.run("git", "config", key, "test@example.org")
    other = ("FEIGNED_CLASS=aarch64", f"PYTHONPATH={HOOK}{os.pathsep}{clone.folder}")

    def run(*command: str, expect: int = 0) -> tuple[str, str]:
        done = clone.run("env", *other, *command, expect=expect)
        return done.stdout, done.stderr

    run("dvc", "repro")
    words, _ = run("python", "-m", "stages.commands.machine_record")  # the end of `make repro`
    assert "made on a machine of another class (" in words
    assert "this one: aarch64" in words
    assert "data/model" in words
    _, refused = run("pneumonia", "promote", expect=1)
    commands = re.findall(r"^  (.*)$", words, flags=re.MULTILINE)
    assert commands[0] == "git add dvc.lock data"
    assert re.findall(r"^  (.*)$", refused, flags=re.MULTILINE) == [*commands, "pneumonia promote"]

    for command in commands:
        run("sh", "-c", command)
    assert run("git", "status", "--porcelain") == ("", "")
    assert run("python", "-m", "stages.commands.machine_record") == ("", "")
    run("dvc", "exp", "run", "--name", "shorter", "-S", "train.epochs=3", "train")
    assert "train.epochs" in run("dvc", "params", "diff", "HEAD")[0]
    run("git", "restore", ".")
    run("dvc", "checkout")
    assert (clone.folder / "data/model/model.keras").exists()
    assert "didn't change" in run("dvc", "repro", "evaluate")[0]
    assert "champion is now version 1" in run("pneumonia", "promote")[0]
