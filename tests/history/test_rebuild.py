"""Clones that killed processes left are removed; folders of other users are left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.engine import git
from stages.engine.errors import NotFound
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


LYON = {"path": "lyon.zip", "labels": "lyon.csv", "hash_names": "names.key"}


@pytest.mark.parametrize(
    ("fetch", "place"),
    [
        ({"source": "archive", **LYON}, "fetch"),
        ({"sources": [{"name": "lyon", "kind": "archive", **LYON}]}, "fetch.sources[0]"),
    ],
)
def test_every_outside_file_of_a_source_is_needed_again(
    fetch: dict[str, object], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(git, "file_at", lambda *_: yaml.safe_dump({"fetch": fetch}))
    for name in LYON.values():
        Path(name).touch()
    assert rebuild._outside_files("c0ffee0") == [Path(name) for name in LYON.values()]
    for key, name in LYON.items():
        Path(name).unlink()
        with pytest.raises(NotFound) as caught:
            rebuild._outside_files("c0ffee0")
        assert f"{place}.{key}: expected a file or folder, found none at {name}" in str(
            caught.value
        )
        Path(name).touch()
