"""No process outlives the one that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interruptions.tree import MARK, left_after, members

CHILD = """
import os, sys, time
from pathlib import Path
from stages.engine.processes import die_with_parent
die_with_parent()
Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""

PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""

POOL = """
import sys
from pathlib import Path
from stages.engine.parallel import map_in_order
from tests.engine.test_processes import stay
list(map_in_order(stay, [(sys.argv[1], n) for n in range(2)], label="x", workers=2))
"""


def stay(item: tuple[str, int]) -> None:
    folder, number = item
    path = Path(folder) / f".{number}"
    path.write_text(str(os.getpid()))
    path.rename(path.with_name(str(number)))
    time.sleep(60)


def wait_for(path: Path) -> int:
    for _ in range(600):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path.name} was not written in time")


def has_ended(process: int) -> bool:
    """Whether a process has ended, as a zombie perhaps that its parent has not collected yet."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(pid_file)]) as parent:
        child = wait_for(pid_file)
        parent.send_signal(signal.SIGKILL)
    assert has_ended(child)


def test_workers_die_when_their_owner_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", POOL, str(tmp_path)], stderr=subprocess.DEVNULL
    ) as owner:
        workers = [wait_for(tmp_path / str(number)) for number in range(2)]
        owner.send_signal(signal.SIGKILL)
    assert all(has_ended(worker) for worker in workers)


def test_workers_without_an_item_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    """The owner is killed while workers start; a pool would keep them for minutes."""
    mark = f"test-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", POOL, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        env={**os.environ, MARK: mark},
    ) as owner:
        while not [member for member in members(mark) if member.kind == "worker"]:
            time.sleep(0.001)
        owner.send_signal(signal.SIGKILL)
    assert left_after(mark, 30) == []


def test_a_child_whose_parent_is_already_dead_ends_at_once(tmp_path: Path) -> None:
    script = "from stages.engine.processes import die_with_parent; die_with_parent({})"
    for parent, status in ((os.getpid(), 0), (2**22 - 1, -signal.SIGKILL)):
        done = subprocess.run([sys.executable, "-c", script.format(parent)], check=False)
        assert done.returncode == status
