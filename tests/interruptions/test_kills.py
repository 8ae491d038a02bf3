"""The campaign of kills, and its hook: points are traced, and a process pauses at one."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interruptions import campaign
from tests.interruptions.tree import MARK, left_after, members, send
from tests.workspace import Workspace, copy_tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

WRITES = """
from pathlib import Path
for number in range(3):
    Path(f"data/{number}.tmp").write_text("x")
    Path(f"data/{number}.tmp").rename(f"data/{number}")
"""


def hooked(folder: Path, mark: str, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(campaign.HOOK),
        "KILLS_ROOT": str(folder),
        MARK: mark,
        **more,
    }


def test_points_are_named_and_counted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    trace = tmp_path.with_name("trace")
    environment = hooked(tmp_path, "a", KILLS_TRACE=str(trace))
    subprocess.run([sys.executable, "-c", WRITES], cwd=tmp_path, env=environment, check=True)
    points = ["dvc:start open data/#.tmp", "dvc:start os.rename data/#"]
    assert trace.read_text().splitlines() == points * 3


def test_a_process_pauses_at_its_point_and_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    stop, paused = tmp_path / "stop.json", tmp_path / "stop.json.here"
    stop.write_text('{"point": "dvc:start os.rename data/#", "nth": 2}')
    mark = f"test-{os.getpid()}"
    environment = hooked(tmp_path, mark, KILLS_STOP=str(stop))
    with subprocess.Popen([sys.executable, "-c", WRITES], cwd=tmp_path, env=environment) as child:
        while not paused.exists():
            time.sleep(0.01)
        assert [member.process for member in members(mark)] == [child.pid]
        assert int(paused.read_text()) == child.pid
        send(child.pid, 9)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["0", "1.tmp"]
    assert left_after(mark, 5) == []


@pytest.mark.slow
def test_temporary_files_of_a_killed_process_are_ignored(tmp_path: Path) -> None:
    """DVC killed while it links a file into data/report, a dependency of register, leaves one."""
    workspace = copy_tree(tmp_path)
    for left in ("data/report/.1mSHixJiC6Bnc8MLmwot1A.tmp", "data/report/.metrics.json.7.tmp"):
        (tmp_path / left).write_text("half")
        workspace.run("dvc", "check-ignore", left)
        workspace.run("git", "check-ignore", left)


@pytest.mark.slow
def test_dvc_fails_on_an_empty_folder_in_its_run_cache(copied: Workspace) -> None:
    """If this fails, `make repro`, the documentation and the campaign need no work-around."""
    cleanup = "find .dvc/cache/runs -mindepth 1 -type d -empty -delete"
    for path in ("Makefile", "docs/interruptions.md"):
        assert cleanup in copied.text(path)
    for record in (copied.folder / ".dvc/cache/runs").glob("*/*/*"):
        record.unlink()
    (copied.folder / "dvc.lock").unlink()
    again = ("dvc", "repro", "--single-item", "preprocess")
    failed = copied.run(*again, expect=255)
    assert "join() argument must be str" in failed.stderr
    copied.run(*cleanup.split())
    copied.run(*again)


@pytest.mark.slow
def test_dvc_fails_on_a_truncated_list_of_locks(copied: Workspace) -> None:
    """As above; `make repro` removes one that is not JSON and keeps one that is."""
    locks = copied.folder / ".dvc/tmp/rwlock"
    locks.write_text("")
    failed = copied.run("dvc", "repro", "--single-item", "preprocess", expect=255)
    assert "Unable to read RWLock-file" in failed.stderr
    (line,) = [line for line in copied.text("Makefile").splitlines() if "rwlock" in line]
    cleanup = line.strip().removeprefix("@").replace("$(BIN)/", "")
    copied.run("sh", "-c", cleanup)
    assert not locks.exists()
    copied.run("dvc", "repro", "--single-item", "preprocess")
    assert locks.exists()
    copied.run("sh", "-c", cleanup)
    assert locks.exists()


@pytest.mark.slow
def test_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    """200 kills, or KILLS of them; about half an hour on two cores."""
    kills = int(os.environ.get("KILLS", "200"))
    tally = campaign.run(tmp_path, kills=kills, seed=0, log=print)
    print("\n".join(tally.lines()))
    assert tally.kills >= kills
    assert tally.equal >= kills // 10
    assert tally.resumed > tally.untrained > 0
