"""`pneumonia verify` through the command line: equal bytes, differences, nothing left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from stages.commands import verify
from stages.history import causes, rebuild
from stages.history.lock_file import LockFile
from tests.history.corrupted_records import CASES
from tests.workspace import BIN, Workspace


def test_a_commit_without_a_record_cannot_be_judged(finished: Workspace) -> None:
    refused = finished.run("pneumonia", "verify", "no-such-commit", expect=2)
    assert refused.stderr.startswith("error: can't be judged: git rev-parse: ")
    tree = finished.run("git", "mktree").stdout.strip()  # an empty one
    empty = finished.run("git", "commit-tree", "-m", "nothing", tree).stdout.strip()
    refused = finished.run("pneumonia", "verify", empty, expect=2)
    assert f"dvc.lock at {empty[:7]}: expected a record of fetch" in refused.stderr


def test_an_archive_that_is_not_there_is_named(copied: Workspace) -> None:
    copied.params({"fetch.source": "archive", "fetch.path": "../gone.zip"})
    copied.commit()
    refused = copied.run("pneumonia", "verify", expect=2)
    assert "fetch.path: expected a file or folder, found none at ../gone.zip" in refused.stderr


def test_a_clone_reaches_a_relative_archive_and_is_removed(
    copied: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images.zip").write_bytes(b"images")
    copied.params({"fetch.source": "archive", "fetch.path": "../images.zip"})
    copied.commit()
    monkeypatch.chdir(copied.folder)
    with rebuild.temporary_clone("HEAD", keep=False) as folder:
        assert (folder / "../images.zip").read_bytes() == b"images"
        assert (folder / "stages/commands/verify.py").exists()
        assert not (folder / "dvc.lock").exists()
        assert not (folder / "data/validation.json").exists()
    assert not folder.exists()
    assert (tmp_path / "images.zip").exists()


@pytest.mark.slow
def test_equal_then_each_kind_of_difference(
    copied: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary, ü"
    temporary.mkdir()
    runs = copied.run("pneumonia", "model", "runs", "--json").stdout
    shutil.rmtree(copied.folder / ".dvc/cache")  # nothing can come from it
    kept = copied.run(
        *("pneumonia", "verify", "--version", "1", "--keep"),
        TMPDIR=str(temporary),
        TZ="Asia/Kathmandu",
        LC_ALL="C.UTF-8",
        PYTHONHASHSEED="11",
        MLFLOW_TRACKING_URI="",
    )
    assert "equal to the byte: " in kept.stdout
    assert "DIFFERENT" not in kept.stdout
    assert "Running stage 'train'" in kept.stderr
    assert copied.run("pneumonia", "model", "runs", "--json").stdout == runs
    assert copied.run("git", "status", "--porcelain").stdout == ""
    (folder,) = re.findall(r"^kept: (.*)$", kept.stderr, flags=re.MULTILINE)

    monkeypatch.chdir(copied.folder)
    record = LockFile.read()
    real = verify.compare("HEAD", record, Path(folder), {})
    assert real.status == verify.EQUAL
    here = causes.Machine(real.instruction_set, real.instruction_set, (), ("phantom",))
    rebuilt = LockFile.read(Path(folder) / "dvc.lock")
    for name, case in CASES.items():
        cause = causes.first_cause(case.corrupt(record), rebuilt, case.machine(here))
        assert cause is not None, name
        assert (cause.stage, cause.kind) == (case.stage, case.kind), name


@pytest.mark.slow
def test_an_edit_that_was_never_run_is_named_with_its_figures(
    copied: Workspace, tmp_path: Path
) -> None:
    copied.params({"train.seed": 3})
    copied.commit()
    (copied.folder / "params.yaml").write_text(copied.text("params.yaml") + "# edited\n")
    verified = copied.run("pneumonia", "verify", "--json", expect=1, TMPDIR=str(tmp_path))
    assert "there are uncommitted changes" in verified.stderr
    assert "train: train.seed is 0 in dvc.lock, 3 here" in verified.stderr
    found = json.loads(verified.stdout)
    assert (found["cause"]["stage"], found["cause"]["kind"]) == ("train", "params")
    assert "train.seed is 0 on record, 3 now" in found["cause"]["detail"]
    assert {out["stage"] for out in found["outs"] if not out["equal"]} == {"train", "evaluate"}
    assert found["figures"]
    assert not list(tmp_path.glob("pneumonia-verify-*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(
    copied: Workspace, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "output"
    with (
        output.open("w") as handle,
        subprocess.Popen(
            [str(BIN / "pneumonia"), "verify"],
            cwd=copied.folder,
            stdout=handle,
            stderr=handle,
            env=copied.environment() | {"TMPDIR": str(tmp_path)},
            start_new_session=True,
        ) as process,
    ):
        while "Running stage 'fetch'" not in output.read_text():
            assert process.poll() is None, output.read_text()
            time.sleep(0.1)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: to the whole group
        else:
            process.send_signal(number)
    assert process.returncode in (130, 143), output.read_text()
    assert not list(tmp_path.glob("pneumonia-verify-*"))
    # A stage whose interpreter is just starting may print a traceback; the command does not.
    assert "stages/commands/verify.py" not in output.read_text()
