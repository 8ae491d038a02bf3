"""The whole pipeline through `dvc repro`, in a repository of its own with small params."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workspace import Workspace, copy_tree

STAGES = ["inputs", "fetch", "preprocess", "train", "evaluate", "register"]
TRACKED = {  # files of a run that git tracks
    "dvc.lock",
    "data/inputs.json",
    "data/roles.csv",
    "data/source.json",
    "data/validation.json",
    "data/report/metrics.json",
    "data/release.json",
}


def ran(finished: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the stages that `dvc repro` ran, in order."""
    return re.findall(r"^Running stage '(\w+)'", finished.stdout, flags=re.MULTILINE)


def query_store(workspace: Workspace, query: str) -> list[Any]:
    """Return the rows that `query` finds in the embedded store."""
    with closing(sqlite3.connect(workspace.folder / "mlruns/mlflow.db")) as database:
        return database.execute(query).fetchall()


def extract(workspace: Workspace, prefix: str, count: int) -> list[str]:
    """Extract the first images under `prefix` of data/raw; return their paths."""
    with zipfile.ZipFile(workspace.folder / "data/raw/images.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith(prefix)][:count]
        archive.extractall(workspace.folder / ".cache/images", names)
    return [f".cache/images/{name}" for name in names]


def test_every_out_exists_and_contains_no_absolute_path(finished: Workspace) -> None:
    stages = yaml.safe_load(finished.text("dvc.yaml"))["stages"]
    assert list(stages) == STAGES
    for stage in stages.values():
        for entry in [*stage.get("outs", []), *stage.get("metrics", [])]:
            assert (
                finished.folder / (entry if isinstance(entry, str) else next(iter(entry)))
            ).exists()
    for path in (finished.folder / "data").rglob("*"):
        if path.suffix in (".json", ".csv", ".md"):
            assert str(finished.folder) not in path.read_text(encoding="utf-8"), path


def test_git_tracks_figures_and_no_image(finished: Workspace) -> None:
    data = finished.run("git", "ls-files", "data", "dvc.lock").stdout.split()
    assert {name for name in data if not name.endswith(".gitignore")} == TRACKED
    assert finished.run("git", "status", "--porcelain").stdout == ""


def test_a_second_repro_runs_only_inputs_and_register(finished: Workspace) -> None:
    again = finished.run("dvc", "repro")
    assert ran(again) == ["inputs", "register"]
    assert "is already registered, the candidate" in again.stdout
    assert finished.run("git", "status", "--porcelain").stdout == ""


def test_the_store_has_one_run_and_one_version(finished: Workspace) -> None:
    status = "SELECT status FROM runs JOIN tags USING (run_uuid) WHERE key = 'run_digest'"
    assert query_store(finished, status) == [("FINISHED",)]
    release = json.loads(finished.text("data/release.json"))
    tag = "SELECT value FROM {} WHERE key = '{}'"
    assert query_store(finished, tag.format("tags", "run_digest")) == [(release["run_digest"],)]
    models = query_store(finished, tag.format("model_version_tags", "model_digest"))
    assert models == [(release["model_digest"],)]


def test_dvc_metrics_and_plots_work_offline(finished: Workspace) -> None:
    metrics = json.loads(finished.run("dvc", "metrics", "show", "--json").stdout)
    auroc = metrics[""]["data"]["data/report/metrics.json"]["data"]["test"]["auroc"]
    assert 0 <= auroc["low"] <= auroc["value"] <= auroc["high"] <= 1
    out = finished.folder / "dvc_plots"
    finished.run("dvc", "plots", "show", "--out", str(out))
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("vegaEmbed('#") == 6
    assert 'src="static/' in page  # the sheet of saliency maps
    assert not re.search(r"<script[^>]*src", page)


def test_the_lock_is_up_to_date_with_the_sources(finished: Workspace) -> None:
    finished.run("python", "-m", "tests.stale_lock")


def test_a_candidate_is_promoted_and_predicts(finished: Workspace) -> None:
    promoted = finished.run("pneumonia", "promote")
    assert "pneumonia-phantom: champion is now version 1" in promoted.stdout
    assert "FAIL" not in promoted.stdout
    roles = finished.run("git", "diff", "--name-only").stdout.split()
    assert roles == ["data/roles.csv"]
    finished.run("git", "checkout", "--quiet", *roles)  # no test changes what git tracks here
    moves = json.loads(finished.run("pneumonia", "history", "--json").stdout)
    assert [(move["alias"], move["to"], move["outcome"]) for move in moves] == [
        ("candidate", "1", "done"),
        ("champion", "1", "done"),
    ]
    header, row = finished.run("pneumonia", "model", "list").stdout.splitlines()
    assert row.split("\t")[:3] == ["pneumonia-phantom", "1", "candidate, champion"]
    assert len(header.split("\t")) == len(row.split("\t"))
    (run,) = json.loads(finished.run("pneumonia", "model", "runs", "--json").stdout)
    assert run["status"] == "FINISHED"
    assert "is already registered" in finished.run("pneumonia", "sync").stdout
    images = extract(finished, "phantom/train/", 12)
    (finished.folder / ".cache/images/broken.jpeg").write_bytes(b"no image")
    predicted = finished.run("pneumonia", "predict", *images, ".cache/images/broken.jpeg", expect=1)
    columns, *rows, broken = (line.split("\t") for line in predicted.stdout.splitlines())
    assert columns == ["probability", "decision", "image", "no answer because"]
    assert [row[2] for row in rows] == images
    answered = [row for row in rows if not row[3]]
    assert len(answered) > 6  # so small a model refuses some of its own training images
    assert all(re.fullmatch(r"[01]\.\d{3}", row[0]) for row in answered)
    assert {row[1] for row in answered} <= {"normal", "pneumonia"}
    refused = [row for row in rows if row[3]]
    assert all(row[3].startswith("unlike the images it was trained on") for row in refused)
    assert [row[:2] for row in (*refused, broken)] == [["", ""]] * (len(refused) + 1)
    assert broken[3].startswith("expected a JPEG, PNG or DICOM image")
    assert "by pneumonia-phantom version 1 (champion)" in predicted.stderr
    assert "synthetic" in predicted.stderr
    assert "not a diagnosis" in predicted.stderr


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="another place, ü ") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
@pytest.mark.parametrize("user", ["the same user", "another user"])
def test_a_clone_gives_the_same_bytes_under_other_circumstances(
    finished: Workspace, elsewhere: Path, user: str
) -> None:
    # Folder, time zone, locale, hash seed and the number of parallel TensorFlow ops all differ.
    # dvc.lock and the files that git tracks have a checksum of every out.
    other = Workspace(elsewhere / "it's a clone, ß")
    finished.run("git", "clone", "--quiet", "--no-hardlinks", ".", str(other.folder))
    words = ["dvc", "repro"]
    if user == "another user":
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
        if os.geteuid() != 0 or shutil.which("setpriv") is None:
            pytest.skip("only root can be another user, by setpriv")
        if subprocess.run([*words[:-2], sys.executable, "-c", ""], check=False).returncode:
            pytest.skip("another user can't read this environment")
        subprocess.run(["chown", "-R", "65534:65534", str(elsewhere)], check=True)
    done = other.run(
        *words,
        TZ="Asia/Kathmandu",
        LC_ALL="C",
        PYTHONHASHSEED="4711",
        HOME=str(elsewhere),
        TF_NUM_INTEROP_THREADS="7",
    )
    assert ran(done) == STAGES
    for name in TRACKED:
        assert other.text(name) == finished.text(name), name


@pytest.mark.slow
def test_a_failed_stage_leaves_no_image_for_git(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "repository")
    workspace.params({"preprocess.tail_fraction": 0.0, "train.monitor": "shift_auroc"})
    workspace.commit()
    failed = workspace.run("dvc", "repro", "train", expect=255)
    # Without matched images and tail there is no shift validation to choose by.
    assert "error: params.yaml: train.monitor: expected one of" in failed.stderr
    seen = workspace.run("git", "status", "--porcelain", "--untracked-files=all").stdout
    assert "images.zip" not in seen
    assert ".npy" not in seen


@pytest.mark.slow
def test_an_archive_with_its_own_test_split(copied: Workspace) -> None:
    (copied.folder.parent / "images.zip").write_bytes(
        (copied.folder / "data/raw/images.zip").read_bytes()
    )
    source = ["-S", "fetch.source=archive", "-S", "fetch.path=../images.zip"]
    done = copied.run("dvc", "exp", "run", "--name", "images", *source)
    assert ran(done) == STAGES  # the pixels are the same, and ids begin with another source
    assert "not moved to candidate: this is an experiment" in done.stdout, done.stdout
    manifest = json.loads(copied.text("data/shards/manifest.json"))
    assert manifest["test"] == "official"
    (read,) = json.loads(copied.text("data/source.json"))["sources"]
    assert read["file"] == "images.zip"
    assert "The test split is the source's own" in copied.text("data/report/model_card.md")
    # Outside an experiment it is a candidate, but data without a checksum are not promoted.
    assert ran(copied.run("dvc", "repro")) == ["inputs", "register"]
    refused = copied.run("pneumonia", "promote", expect=1)
    assert "data are pinned by a checksum (fetch.sha256)\tno\tyes\tFAIL" in refused.stdout


@pytest.mark.slow
def test_experiments_in_the_workspace_in_a_copy_and_queued(copied: Workspace) -> None:
    copied.run("dvc", "exp", "run", "--name", "here", "-S", "train.seed=1")
    copied.run("git", "restore", ".")
    copied.run("dvc", "checkout")
    copied.run("dvc", "exp", "run", "--temp", "--name", "elsewhere", "-S", "train.seed=2")
    copied.run("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "train.seed=3", "train")
    copied.run("dvc", "exp", "run", "--run-all")
    assert copied.run("git", "status", "--porcelain").stdout == ""
    listed = copied.run("dvc", "exp", "list", "--name-only").stdout.split()
    assert set(listed) == {"here", "elsewhere", "queued"}
    # All of them are in the store of this repository, and none is the candidate.
    names = query_store(copied, "SELECT value FROM tags WHERE key = 'dvc_experiment'")
    assert {name for (name,) in names} >= {"here", "elsewhere", "queued"}
    aliases = query_store(copied, "SELECT alias, version FROM registered_model_aliases")
    assert ("candidate", 1) in aliases
    table = copied.run("dvc", "exp", "show", "--md", "--only-changed").stdout
    assert "train.seed" in table


@pytest.mark.slow
def test_an_experiment_in_a_copy_finds_a_relative_archive(copied: Workspace) -> None:
    (copied.folder.parent / "images.zip").write_bytes(
        (copied.folder / "data/raw/images.zip").read_bytes()
    )
    source = ["-S", "fetch.source=archive", "-S", "fetch.path=../images.zip"]
    copied.run("dvc", "exp", "run", "--temp", "--name", "images", *source, "preprocess")
    assert "images" in copied.run("dvc", "exp", "list", "--name-only").stdout


def test_a_resumed_training_fits_an_equal_domain_and_the_study_asks_it(copied: Workspace) -> None:
    path = copied.folder / "data/model/domain.npz"
    before = path.read_bytes()
    assert "domain.npz" in json.loads(copied.text("data/model/checksums.json"))["files"]
    again = copied.run("dvc", "repro", "--force", "--single-item", "train")
    assert "domain: fitted on" in again.stdout
    assert path.read_bytes() == before
    tables = copied.run("pneumonia", "study", "domain").stdout
    assert re.search(r"^\| val \| \d+ of \d+: ", tables, flags=re.MULTILINE)
    assert "| wrong, used in fitting | upside down |" in tables
    assert "| wrong, new to the domain | photograph | 200 | " in tables
