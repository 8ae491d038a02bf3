"""A full disk, a read-only folder, few file handles, two runs at once: messages and recovery."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interruptions.campaign import FEW
from tests.workspace import Workspace, copy_tree

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository with shards; each test runs some of its stages again."""
    workspace = copy_tree(tmp_path_factory.mktemp("short") / "repository")
    workspace.params(FEW)
    (workspace.folder / "dvc.lock").unlink(missing_ok=True)
    workspace.commit()
    workspace.run("dvc", "repro", "preprocess")
    return workspace


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Run `mount *options folder` around the block; skip the test if that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", *options, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"needs permission to mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def small(folder: Path, size: str) -> contextlib.AbstractContextManager[None]:
    return mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def failure(workspace: Workspace, *command: str, **environment: str) -> str:
    """Run a command that must fail; return its output, which must have no traceback."""
    done = workspace.run(*command, expect=255, seconds=600, **environment)
    text = done.stdout + done.stderr
    assert "Traceback" not in text, text
    return text


def test_two_runs_at_once(prepared: Workspace) -> None:
    """The second fails at once; the first finishes."""
    failures: list[str] = []

    def second(_: int) -> None:
        failures.append(failure(prepared, "dvc", "repro"))

    status, text = prepared.interrupt(lambda output: "Running stage 'train'" in output, second)
    assert status == 0, text
    assert "is busy" in failures[0], failures


def test_a_full_disk_under_the_data(prepared: Workspace) -> None:
    again = ("dvc", "repro", "--single-item", "--force", "fetch")
    with small(prepared.folder / "data", "512k"):
        text = failure(prepared, *again)
        assert "error: data/raw: the disk is full" in text, text
        assert not list((prepared.folder / "data").glob("raw/*"))
        assert not list((prepared.folder / "data").glob(".raw.partial"))
    before = prepared.text("dvc.lock")
    prepared.run(*again)
    assert prepared.text("dvc.lock") == before


def test_a_full_disk_under_the_checkpoints(prepared: Workspace) -> None:
    with small(prepared.folder / ".cache", "16k"):
        text = failure(prepared, "dvc", "repro", "--single-item", "--force", "train")
        assert "the disk is full" in text, text
        assert ".cache" in text
    prepared.run("dvc", "repro", "--single-item", "--force", "train")


def test_a_full_disk_under_dvcs_cache(prepared: Workspace) -> None:
    """DVC names each file that it could not store, and exits with 0 nonetheless."""
    again = ("dvc", "repro", "--single-item", "--force", "fetch")
    before = prepared.text("dvc.lock")
    with small(prepared.folder / ".dvc/cache", "64k"):
        done = prepared.run(*again)
        assert "No space left on device" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    shutil.rmtree(prepared.folder / ".dvc/cache/files")  # what a full disk leaves of the cache
    prepared.run("dvc", "repro", "fetch")  # stores again what the cache lacks
    assert prepared.text("dvc.lock") == before
    shutil.rmtree(prepared.folder / "data/raw")
    prepared.run("dvc", "checkout", "fetch")
    assert (prepared.folder / "data/raw/index.csv").is_file()


def test_a_read_only_data_folder(prepared: Workspace) -> None:
    data = prepared.folder / "data"
    before = prepared.text("dvc.lock")
    with mounted(data, "--bind", str(data)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(data)], check=True)
        text = failure(prepared, "dvc", "repro", "--single-item", "--force", "fetch")
        assert "Read-only file system: '" in text, text  # DVC fails before the stage starts
        done = prepared.run("python", "-m", "stages.fetch", expect=1)
        assert "Traceback" not in done.stderr, done.stderr
        assert "the file system is read-only (Read-only file system)" in done.stderr
    prepared.run("dvc", "repro", "--single-item", "--force", "fetch")
    assert prepared.text("dvc.lock") == before


def test_too_few_file_handles(prepared: Workspace) -> None:
    limited = ("bash", "-c", "ulimit -n {}; exec python -m stages.fetch")
    command = (*limited[:2], limited[2].format(12))
    done = prepared.run(*command, expect=1)
    assert "Traceback" not in done.stderr, done.stderr
    assert "too many open files" in done.stderr
    assert "ulimit -n" in done.stderr
    prepared.run("dvc", "repro", "fetch")
