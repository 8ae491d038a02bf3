"""A fetch that fails under `dvc repro` leaves the previous data usable."""

import re
from pathlib import Path

import pytest

from stages.engine.files import sha256_file
from tests.sample_images import zipped
from tests.sources.archives.broken import VALID
from tests.workspace import Workspace, copy_tree

FEW = {"fetch.phantom.patients_train": 6, "fetch.phantom.patients_test": 4}
PHANTOM = {"fetch.source": "phantom", "fetch.path": None}
ARCHIVE = {"fetch.source": "archive", "fetch.path": "images.zip"}


def raw(workspace: Workspace) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in (workspace.folder / "data/raw").iterdir()}


def fetched(workspace: Workspace, *, expect: int = 0) -> bool:
    """Run `dvc repro fetch`; return whether it ran the stage."""
    output = workspace.run("dvc", "repro", "fetch", expect=expect).stdout
    return bool(re.search("^Running stage 'fetch'", output, flags=re.MULTILINE))


@pytest.mark.slow
def test_failed_fetch_leaves_previous_data(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "repository")
    workspace.params(FEW)
    assert fetched(workspace)
    phantoms = raw(workspace)
    assert "truth.csv" in phantoms

    workspace.params(ARCHIVE)
    zipped(workspace.folder / "images.zip", {**VALID, "../image.jpeg": b""})
    assert fetched(workspace, expect=255)
    assert raw(workspace) == phantoms
    assert [path.name for path in (workspace.folder / "data").glob(".raw*")] == []
    workspace.params(PHANTOM)
    assert not fetched(workspace)  # the folder is still what DVC recorded
    assert raw(workspace) == phantoms

    zipped(workspace.folder / "images.zip", VALID)
    workspace.params(ARCHIVE)
    assert fetched(workspace)
    names = {"checksums.json", "images.zip", "index.csv", "source.json"}
    assert set(raw(workspace)) == names  # no leftovers
    workspace.params(PHANTOM)
    fetched(workspace)  # from DVC's run cache, or drawn again
    assert raw(workspace) == phantoms
