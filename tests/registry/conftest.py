"""A store that is created once and copied for each test: MLflow takes seconds to create one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.engine import wait_budget
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.store import Store, find_store
from tests.registry import fake
from tests.registry.released import Released, release

# MLflow compares the columns of a data frame with a range when it writes an input example.
PANDAS = "ignore:Operation with range is deprecated"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(PANDAS))


@pytest.fixture(autouse=True)
def _outside_experiments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wait_budget, "project_root", lambda: tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, mlflow_imported: None) -> Path:
    """The root of a repository whose embedded store is empty."""
    root = tmp_path_factory.mktemp("template")
    open_store(find_store(root))
    return root


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[Store]:
    root = tmp_path / "repository"
    shutil.copytree(template, root)
    yield find_store(root)
    import mlflow

    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def client(store: Store) -> Client:
    return open_store(store)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    fake.write(folder)
    return folder


@pytest.fixture(scope="session")
def _released(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """Three versions of a network that can't be loaded: whatever loads one has not refused it."""
    return release(template, tmp_path_factory.mktemp("released"), b"a network")


@pytest.fixture
def released(_released: Released) -> Iterator[Released]:
    """A store with three signed versions, to be copied before it is changed."""
    yield _released
    import mlflow

    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
