"""Clones that killed processes left are removed; folders of other users are left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.history import rebuild


@pytest.mark.parametrize("mine", [True, False])
def test_only_the_user_s_own_leftovers_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = tmp_path / f"pneumonia-verify-{ended.pid}-x"
    left.mkdir()
    (left / "file").write_text("x")
    if not mine:
        monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    rebuild._remove_leftovers()
    assert left.exists() != mine
