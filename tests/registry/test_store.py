"""The store is found from anywhere, moves with its folder and is created by one process."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.registry import ui
from stages.registry.connection import open_store
from stages.registry.publish import publish_unlimited
from stages.registry.store import Store, find_store
from tests.registry import fake


def test_the_environment_names_another_store(tmp_path: Path) -> None:
    found = find_store(tmp_path, {"MLFLOW_TRACKING_URI": "http://there:5000"})
    assert found == Store("http://there:5000", None)


def test_a_server_has_its_own_pages() -> None:
    with pytest.raises(InputError, match="its pages are at http://there"):
        ui.serve_ui(Store("http://there", None))


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_a_moved_or_copied_store_finds_its_artifacts_and_models(
    move: Any, store: Store, files: Path, tmp_path: Path
) -> None:
    import mlflow

    assert store.folder is not None
    publish_unlimited(fake.release(files), store, candidate=True)
    there = tmp_path / "odd é #%20?x&y"
    move(store.folder.parent, there)
    shutil.rmtree(store.folder.parent, ignore_errors=True)  # it must not be needed

    moved = find_store(there)
    client = open_store(moved)
    name = fake.release(files).name
    package = Path(mlflow.artifacts.download_artifacts(f"models:/{name}@candidate"))
    assert there in package.parents
    assert (package / "artifacts/model.keras").read_bytes() == b"a network"
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    run = client.search_runs([experiment.experiment_id])[0]
    assert {item.path for item in client.list_artifacts(run.info.run_id)} >= {"report", "model"}
    assert moved.folder is not None
    with sqlite3.connect(moved.folder / "mlflow.db") as database:
        assert str(store.folder) not in "".join(database.iterdump())
    database.close()


def test_the_ui_serves_this_store(store: Store) -> None:
    command = ui.ui_command(store, 5001)
    assert store.uri not in command  # which every user can read
    assert ui.ui_environment(store)["MLFLOW_BACKEND_STORE_URI"] == store.uri
    assert command[command.index("--default-artifact-root") + 1] == store.artifacts


@pytest.mark.slow
def test_three_processes_create_one_store(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stages.registry.store import find_store; "
        "from stages.registry.connection import open_store; "
        "open_store(find_store(Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors


def test_a_server_that_does_not_answer_is_named(mlflow_imported: None) -> None:
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9: expected a tracking store"):
        open_store(Store("http://127.0.0.1:9", None))


@pytest.mark.slow
def test_a_database_whose_creation_was_killed_is_created_again(
    tmp_path: Path, mlflow_imported: None
) -> None:
    unfinished = tmp_path / "mlruns" / "mlflow.unfinished"
    unfinished.parent.mkdir()
    with sqlite3.connect(unfinished) as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    database.close()
    assert open_store(find_store(tmp_path)).search_experiments()
    assert not unfinished.exists()
