"""The whole pipeline, run once for all tests that look at what it leaves."""

import shutil
from pathlib import Path

import pytest

from tests.workspace import Workspace, copy_tree


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository after `dvc repro`, committed. Tests look at it and change nothing in git."""
    workspace = copy_tree(tmp_path_factory.mktemp("pipeline") / "repository")
    workspace.run("dvc", "repro")
    workspace.commit()
    return workspace


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    """A finished repository to work in: a copy, in a folder of another name."""
    folder = tmp_path / "a copy"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Workspace(folder)
