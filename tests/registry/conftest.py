"""A store made once and copied for each test: MLflow takes seconds to make its tables."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.engine import wait_budget
from stages.registry.store import Store, find_store, open_store
from tests.registry import fake

# MLflow compares a frame's columns with a range to write an input example.
PANDAS = "ignore:Operation with range is deprecated"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(PANDAS))


@pytest.fixture(scope="session")
def mlflow_imported() -> None:
    """MLflow's own modules warn while they are imported; nothing of ours is heard yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


@pytest.fixture(autouse=True)
def _outside_experiments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wait_budget, "project_root", lambda: tmp_path)  # of each test its own
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, mlflow_imported: None) -> Path:
    """A repository's root whose embedded store is empty."""
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
def client(store: Store) -> Any:
    return open_store(store)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    fake.write(folder)
    return folder
