"""What all tests share: the whole pipeline, run once, and how tests are dealt out to processes."""

import shutil
from pathlib import Path

import pytest

from tests.workspace import Workspace, copy_tree


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, for its fixtures, and all that share the pipeline."""
    for item in items:
        shared = "finished" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("pipeline" if shared else item.path.name))


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
