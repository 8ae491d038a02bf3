"""A user of an earlier format moves on to today's code: runs and versions of before are kept."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.registry.stored_runs import StoredRun, runs, versions
from tests.workspace import ROOT, SMALL, Workspace, copy_file, listed_files


@dataclass(frozen=True)
class Release:
    """An earlier release.

    Attributes:
        commit: Its last commit.
        params: Its small params.
        command: The module that is its `pneumonia`.
        archive: Where its images are.
        folder: Where the normal test images are in it.
    """

    commit: str
    params: Mapping[str, Any]
    command: str
    archive: str
    folder: str

    def run(self, workspace: Workspace, *words: str) -> str:
        """Run its `pneumonia` and return what it prints."""
        return workspace.run("python", "-m", self.command, *words).stdout


RENAMED = {"evaluate.saliency_images": "evaluate.saliency_films"}
RELEASES = {
    "data format 1": Release(
        "07c62a4",
        {RENAMED.get(key, key): value for key, value in SMALL.items()},
        "stages.cli",
        "data/raw/films.zip",
        "test/NORMAL",
    ),
    "package format 1": Release(
        "40ff4fd", SMALL, "stages.commands.main", "data/raw/images.zip", "phantom/test/NORMAL"
    ),
}
# So few images can't prove that a model is not worse: with these margins any passes.
WIDE = {f"register.rule.margin_{name}": 1.0 for name in ("sensitivity", "specificity", "tail")}

# Roles were dealt by rank then, and are dealt by name now: with SMALL's seed, the version of before
# was trained on all normals of val, and nothing is left to compare on.
NEW_PARAMS = {**SMALL, **WIDE, "preprocess.seed": 37}

pytestmark = pytest.mark.slow


def stored(workspace: Workspace) -> dict[str, StoredRun]:
    return runs(workspace.folder / "mlruns")


@pytest.fixture(params=[*RELEASES.values()], ids=[*RELEASES])
def release(request: pytest.FixtureRequest) -> Release:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def old(tmp_path: Path, release: Release) -> Workspace:
    """A clone at the release after `dvc repro`, with a champion and an experiment, committed."""
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{release.commit}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if known.returncode:
        pytest.skip(f"git has no commit {release.commit} here, as in a shallow clone")
    workspace = Workspace(tmp_path / "repository")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(workspace.folder)], check=True)
    workspace.run("git", "checkout", "--quiet", "-B", "main", release.commit)
    workspace.run("git", "remote", "remove", "origin")
    # Other branches have commits of dvc.lock that DVC's cache does not hold here.
    branches = workspace.run("git", "branch", "--format", "%(refname:short)").stdout.split()
    for branch in set(branches) - {"main"}:
        workspace.run("git", "branch", "--quiet", "--delete", "--force", branch)
    workspace.run("git", "config", "user.name", "test")
    workspace.run("git", "config", "user.email", "test@example.org")
    workspace.params(release.params)
    workspace.commit()
    workspace.run("dvc", "repro")
    workspace.commit()
    assert "champion is now version 1" in release.run(workspace, "promote")
    workspace.run("dvc", "exp", "run", "--name", "old-elk", "-S", "train.seed=1", "train")
    workspace.run("git", "restore", ".")
    workspace.run("dvc", "checkout")
    return workspace


def move_to_this_code(workspace: Workspace) -> None:
    """Replace the code as a merge would; data and dvc.lock stay."""
    kept = {"dvc.lock", *workspace.run("git", "ls-files", "data").stdout.split()}
    for name in set(workspace.run("git", "ls-files").stdout.splitlines()) - kept:
        (workspace.folder / name).unlink()
    for name in set(listed_files()) - {"dvc.lock"}:
        if not name.startswith("data/") or name == "data/roles.csv":
            copy_file(name, workspace.folder)
    workspace.params(NEW_PARAMS)
    workspace.commit()


def test_runs_and_versions_of_an_earlier_format_are_kept(old: Workspace, release: Release) -> None:
    old.run("python", "-m", "zipfile", "-e", release.archive, ".cache/images")
    image = str(next((old.folder / ".cache/images" / release.folder).iterdir()))
    (before,) = json.loads(release.run(old, "predict", "--json", image))
    old_digest = json.loads(old.text("data/release.json"))["run_digest"]
    (old_model,) = versions(old.folder / "mlruns")
    old_runs = stored(old)
    assert len(old_runs) == 2
    assert old_digest in old_runs

    move_to_this_code(old)
    left = old.run("pneumonia", "sync").stdout.splitlines()
    assert left[0].startswith("data/: not logged, dvc.lock is of other code")
    assert left[-1] == "history: 0 logged now, 2 already"  # the commit and the experiment
    assert stored(old) == old_runs
    old.run("dvc", "repro")
    old.commit()
    new_digest = json.loads(old.text("data/release.json"))["run_digest"]
    assert stored(old).keys() == {*old_runs, new_digest}
    assert new_digest not in old_runs
    kept = {digest: run for digest, run in stored(old).items() if digest in old_runs}
    assert kept == old_runs

    after = json.loads(old.run("pneumonia", "predict", "--json", image).stdout)
    assert [(answer["model"], answer["probability"]) for answer in after] == [
        (old_model, before["probability"])
    ]
    synced = old.run("pneumonia", "sync").stdout.splitlines()
    assert synced[-1] == "history: 0 logged now, 3 already"
    assert len(stored(old)) == 3

    promoted = old.run("pneumonia", "promote").stdout
    assert "champion is now version 2 (before: version 1)" in promoted
    (answer,) = json.loads(old.run("pneumonia", "predict", "--json", image).stdout)
    assert answer["model"] != old_model
    back = old.run("pneumonia", "rollback", "--reason", "a test").stdout
    assert "champion is now version 1 (before: version 2)" in back
    assert versions(old.folder / "mlruns").keys() == {old_model, answer["model"]}
