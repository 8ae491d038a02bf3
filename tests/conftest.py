"""Fixtures of all tests: the whole pipeline, run once. Tests that share it share a process."""

import shutil
import warnings
from pathlib import Path

import pytest

from tests.workspace import Workspace, copy_tree


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of a file in one process, and all tests that use `finished` in another."""
    for item in items:
        shared = "finished" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("pipeline" if shared else item.path.name))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository after `dvc repro`, committed. Tests must not change what git tracks."""
    workspace = copy_tree(tmp_path_factory.mktemp("pipeline") / "repository")
    workspace.run("dvc", "repro")
    workspace.commit()
    return workspace


@pytest.fixture
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `finished` that a test may change, in a folder of another name."""
    folder = tmp_path / "a copy"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Workspace(folder)


@pytest.fixture(scope="session")
def mlflow_imported() -> None:
    """Import MLflow before any test, ignoring the warnings of its own modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
