"""A version is the same whoever registers it, and is repaired to the same bytes."""

import shutil
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.edits import comment
from tests.registry.stored_runs import versions
from tests.workspace import Workspace

pytestmark = pytest.mark.slow


def stored_versions(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the tags of each version in the embedded store, by number."""
    query = (
        "SELECT version, key, value FROM model_version_tags JOIN model_versions "
        "USING (name, version) WHERE current_stage != 'Deleted_Internal'"
    )
    with closing(sqlite3.connect(workspace.folder / "mlruns/mlflow.db")) as database:
        found: dict[str, dict[str, Any]] = {}
        for version, key, value in database.execute(query):
            found.setdefault(str(version), {})[key] = value
    return found


def packages(workspace: Workspace) -> list[dict[str, bytes]]:
    """Return the files of each stored model."""
    return [
        {
            path.relative_to(listing.parent).as_posix(): path.read_bytes()
            for path in listing.parent.rglob("*")
            if path.is_file()
        }
        for listing in sorted((workspace.folder / "mlruns").rglob("package.json"))
    ]


@pytest.fixture
def clone(copied: Workspace) -> Workspace:
    """A clone that pulled the data, and whose store is empty."""
    clone = Workspace(copied.folder.with_name("clone"))
    copied.run("dvc", "remote", "add", "--default", "store", "../remote")
    copied.commit()
    copied.run("dvc", "push")
    copied.run("git", "clone", "--quiet", ".", str(clone.folder))
    clone.run("git", "config", "user.name", "someone else")
    clone.run("git", "config", "user.email", "else@example.org")
    clone.run("dvc", "pull")
    return clone


def test_a_clone_registers_the_same_package(copied: Workspace, clone: Workspace) -> None:
    assert "version 1 (synthetic images) is now" in clone.run("pneumonia", "sync").stdout
    (mine,), (theirs,) = packages(copied), packages(clone)
    assert mine == theirs
    assert not [name for name, content in mine.items() if str(copied.folder).encode() in content]
    (first,), (second,) = stored_versions(copied).values(), stored_versions(clone).values()
    for key in ("model_digest", "package_digest", "run_digest"):
        assert first[key] == second[key]
    # Both log to one store: the version is there already.
    shared = f"sqlite:///{copied.folder / 'mlruns/mlflow.db'}"
    assert "version 1" in clone.run("pneumonia", "sync", MLFLOW_TRACKING_URI=shared).stdout
    assert len(stored_versions(copied)) == 1


def test_a_version_is_repaired_from_another_clone(copied: Workspace, clone: Workspace) -> None:
    copied.run("pneumonia", "promote")
    (stored,) = (copied.folder / "mlruns").rglob("package.json")
    before = packages(copied)
    shutil.rmtree(stored.parent)
    # The copy's store as the other clone reaches it: by its own embedded store.
    shutil.copytree(copied.folder / "mlruns", clone.folder / "mlruns")
    finished = clone.run("pneumonia", "sync")
    assert "files of pneumonia-phantom version 1 were deleted or changed" in finished.stderr
    assert packages(clone) == before
    assert set(versions(clone.folder / "mlruns").values()) == {1}


def test_a_changed_file_stops_predictions_and_promotions_until_it_is_repaired(
    copied: Workspace,
) -> None:
    copied.run("pneumonia", "promote")
    (code,) = (copied.folder / "mlruns").rglob("code.zip")
    image = copied.folder / "data/report/grad_cam.png"
    marker = copied.folder.parent / "it ran"
    kept = code.read_bytes()
    code.write_bytes(kept + b" ")
    for command in (("predict", str(image)), ("promote", "1", "--to", "staging")):
        refused = copied.run("pneumonia", *command, expect=1).stderr
        (line,) = [line for line in refused.splitlines() if line.startswith("error: ")]
        assert "pneumonia-phantom version 1" in line
        assert "artifacts/code.zip: its bytes are not those that package.json lists" in line
    assert not marker.exists()
    assert "deleted or changed; stored again" in copied.run("pneumonia", "sync").stderr
    assert code.read_bytes() == kept
    copied.run("pneumonia", "promote", "1", "--to", "staging")


def test_a_remark_makes_no_version_and_its_package_stays(copied: Workspace) -> None:
    before = packages(copied)
    comment("stages/images/dicom.py")(copied)
    copied.commit()
    copied.run("dvc", "repro")
    copied.commit()
    assert packages(copied) == before
    assert len(stored_versions(copied)) == 1
    # With its files gone, it can't be made as it was: its code has a remark more now.
    (stored,) = (copied.folder / "mlruns").rglob("package.json")
    shutil.rmtree(stored.parent)
    assert "registered again, as version 2" in copied.run("dvc", "repro").stderr
    ((number, tags),) = stored_versions(copied).items()
    assert (number, tags["replaces"]) == ("2", "1")
    assert tags["model_digest"] in versions(copied.folder / "mlruns")
    assert "registered again" not in copied.run("dvc", "repro").stderr
