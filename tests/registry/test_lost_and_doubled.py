"""Ways in which a run could get lost or duplicated, each through the real commands.

docs/tracking.md lists them. After each, `complete_runs` checks the number of runs, that every one
is complete, that nothing is duplicated, and that each model has one version.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry.server import Server
from tests.registry.stored_runs import StoredRun, complete_runs, runs, versions
from tests.workspace import Workspace, copy_tree

pytestmark = pytest.mark.slow

OUTS = ("raw", "shards", "model", "report")
RECORDED = (
    *("git_commit", "machine", "instruction_set", "time", "threads", "synthetic"),
    *(f"seconds_{stage}" for stage in ("fetch", "preprocess", "train", "evaluate")),
    *(f"{name}_digest" for name in ("lock", "data", "code")),
    *("mlflow.user", "mlflow.source.name", "mlflow.source.git.commit"),
)
"""Tags of a run that are always recorded when its stages ran here."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed repository after `dvc repro`, with a remote of its own."""
    workspace = copy_tree(tmp_path_factory.mktemp("built") / "repository")
    workspace.params(
        {"fetch.phantom.patients_train": 24, "fetch.phantom.patients_test": 8, "train.epochs": 3}
    )
    workspace.run("dvc", "remote", "add", "--default", "there", "../../remote")
    workspace.commit()
    workspace.run("dvc", "repro")
    workspace.commit()
    return workspace


@pytest.fixture
def here(built: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `built` to work in."""
    folder = tmp_path / "a copy"  # DVC can't queue where a path has letters beyond ASCII
    shutil.copytree(built.folder, folder, symlinks=True)
    return Workspace(folder)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server")
    yield server
    server.kill()


def store(workspace: Workspace) -> Path:
    return workspace.folder / "mlruns"


def delete_store(workspace: Workspace) -> None:
    shutil.rmtree(store(workspace))


def ran(finished: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the stages that ran, without `inputs`, which always runs first."""
    lines = finished.stdout.splitlines()
    first, *others = [line.split("'")[1] for line in lines if line.startswith("Running stage")]
    assert first == "inputs"
    return others


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def without_circumstances(run: StoredRun) -> StoredRun:
    """Return the run without what the journal records and without MLflow's own times."""
    journal = {"git_commit", "git_dirty", "dvc_experiment", "machine", "time", "circumstances"}
    return replace(
        run,
        tags={
            key: value
            for key, value in run.tags.items()
            if key not in journal and not key.startswith(("seconds_", "mlflow."))
        },
        files={path: sha for path, sha in run.files.items() if path != "circumstances.json"},
    )


def test_outs_removed_and_checked_out_into_a_fresh_store(here: Workspace) -> None:
    before = complete_runs(store(here), 1)
    delete_store(here)
    for out in OUTS:
        shutil.rmtree(here.folder / "data" / out)
    here.run("git", "checkout", "--", "data")
    here.run("dvc", "checkout")
    assert ran(here.run("dvc", "repro")) == ["register"]
    # The run logged from the files equals the run logged live, with its circumstances.
    after = complete_runs(store(here), 1)
    assert {key: replace(run, tags={}) for key, run in after.items()} == {
        key: replace(run, tags={}) for key, run in before.items()
    }
    (one,), (other,) = before.values(), after.values()
    assert {key: value for key, value in one.tags.items() if not key.startswith("mlflow.")} == {
        key: value for key, value in other.tags.items() if not key.startswith("mlflow.")
    }


def test_a_run_has_everything_that_is_known_about_it(built: Workspace) -> None:
    (run,) = complete_runs(store(built), 1).values()
    assert "not recorded" not in {run.tags[key] for key in RECORDED}
    assert (run.tags["git_dirty"], run.tags["dvc_experiment"]) == ("no", "none")
    assert run.params["train.epochs"] == "3"
    assert run.params["fetch.phantom.patients_train"] == "24"
    assert {"val/auroc", "test/auroc"} <= set(run.metrics)
    assert len(run.metrics) < 50  # MLflow draws a chart of each
    assert re.fullmatch(r"[01]\.\d{3} \([01]\.\d{3} to [01]\.\d{3}\)", run.tags["test_auroc"])
    assert run.tags["test_auroc"] in run.tags["mlflow.note.content"]
    assert "figures.html" in run.files
    assert [step for step, _ in run.metrics["learning/val_auroc"]] == [1, 2, 3]
    assert {"report/model_card.md", "report/grad_cam.png", "report/plots/roc.csv"} <= set(run.files)
    assert {name for name, *_ in run.inputs} == {"phantom train", "phantom val", "phantom test"}
    assert all("pneumonia" in profile for *_, profile, _ in run.inputs)


def test_params_changed_and_changed_back(here: Workspace) -> None:
    here.params({"train.seed": 1})
    assert "train" in ran(here.run("dvc", "repro"))
    here.run("git", "restore", "params.yaml")
    assert ran(here.run("dvc", "repro")) == ["register"]
    complete_runs(store(here), 2)
    # Again into a fresh store: DVC restores every stage from its run-cache.
    delete_store(here)
    here.params({"train.seed": 1})
    assert ran(here.run("dvc", "repro")) == ["register"]
    (run,) = complete_runs(store(here), 1).values()
    assert run.params["train.seed"] == "1"


def test_a_clone_in_another_folder_that_pulls(built: Workspace, tmp_path: Path) -> None:
    built.run("dvc", "push")
    clone = Workspace(tmp_path / "clone")
    built.run("git", "clone", "--quiet", ".", str(clone.folder))
    remote = built.folder.parent.parent / "remote"
    clone.run("dvc", "remote", "modify", "--local", "there", "url", str(remote))
    clone.run("dvc", "pull")
    assert ran(clone.run("dvc", "repro")) == ["register"]
    (run,) = complete_runs(store(clone), 1).values()
    unknown = ("git_commit", "git_dirty", "machine", "time", "dvc_experiment")
    assert {run.tags[key] for key in unknown} == {"not recorded"}
    (live,) = runs(store(built)).values()
    assert without_circumstances(run) == without_circumstances(live)


def test_a_moved_repository(here: Workspace, tmp_path: Path) -> None:
    before = complete_runs(store(here), 1)
    moved = Workspace(tmp_path / "elsewhere" / "moved #1")
    moved.folder.parent.mkdir()
    here.folder.rename(moved.folder)
    assert ran(moved.run("dvc", "repro")) == ["register"]
    assert complete_runs(store(moved), 1) == before


def test_a_queue_of_four_workers_in_a_copy_and_its_history(
    built: Workspace, here: Workspace
) -> None:
    before = (store(built) / "mlflow.db").read_bytes()
    for seed in range(1, 5):
        target = ["train"] if seed > 2 else []  # as in the README, or complete
        options = ["--queue", "--name", f"queued-{seed}", "-S", f"train.seed={seed}"]
        here.run("dvc", "exp", "run", *options, *target)
    here.run("dvc", "exp", "run", "--run-all", "--jobs", "4", seconds=1800)
    # Those that end at `train` are complete only if the machine was fast enough.
    assert 3 <= len(runs(store(here))) <= 5
    here.run("pneumonia", "sync")
    live = complete_runs(store(here), 5, judged=3)
    names = {run.tags["dvc_experiment"] for run in live.values()}
    assert names == {"none", "queued-1", "queued-2", "queued-3", "queued-4"}
    assert here.run("git", "status", "--porcelain").stdout == ""
    moves = json.loads(here.run("pneumonia", "history", "--json").stdout)
    assert [(move["alias"], move["to"]) for move in moves] == [("candidate", "1")]
    assert (store(built) / "mlflow.db").read_bytes() == before

    # All of them again, from git and DVC's cache, into a fresh store.
    delete_store(here)
    output = here.run("pneumonia", "sync").stdout
    assert "history: 4 logged now, 1 already" in output
    assert here.run("git", "status", "--porcelain").stdout == ""
    past = complete_runs(store(here), 5, judged=3)
    assert {key: without_circumstances(run) for key, run in past.items()} == {
        key: without_circumstances(run) for key, run in live.items()
    }
    assert {run.tags["dvc_experiment"] for run in past.values()} == names
    assert "history: 0 logged now, 5 already" in here.run("pneumonia", "sync").stdout
    # Without a journal, git still knows which experiment it was.
    delete_store(here)
    shutil.rmtree(here.folder / ".cache/journal")
    here.run("pneumonia", "sync")
    bare = complete_runs(store(here), 5, judged=3)
    assert {run.tags["dvc_experiment"] for run in bare.values()} == names - {"none"} | {
        "not recorded"
    }
    assert {run.tags["machine"] for run in bare.values()} == {"not recorded"}


def test_killed_in_training_and_between_train_and_register(here: Workspace) -> None:
    here.params({"train.seed": 1, "train.epochs": 40})
    checkpoints = here.folder / ".cache/train"
    here.interrupt(lambda _: len(list(checkpoints.glob("*/*"))) > 1, kill)
    here.interrupt(lambda output: "Running stage 'evaluate'" in output, kill)
    assert ran(here.run("dvc", "repro")) == ["evaluate", "register"]
    found = complete_runs(store(here), 2)
    (run,) = (run for run in found.values() if run.params["train.seed"] == "1")
    assert [step for step, _ in run.metrics["learning/loss"]] == list(range(1, 41))


def test_all_stages_forced_to_run_again(here: Workspace) -> None:
    assert "train" in ran(here.run("dvc", "repro", "--force"))
    complete_runs(store(here), 1)


def test_three_concurrent_processes_in_a_fresh_store(here: Workspace) -> None:
    delete_store(here)
    processes = [
        subprocess.Popen(
            command, cwd=here.folder, env=here.environment(), stdout=subprocess.DEVNULL
        )
        for command in (["dvc", "repro"], ["pneumonia", "sync"], ["pneumonia", "sync"])
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    complete_runs(store(here), 1)


def test_a_server_that_is_down_at_the_start(here: Workspace, server: Server) -> None:
    here.params({"train.seed": 1})
    done = here.run("dvc", "repro", MLFLOW_TRACKING_URI=server.uri)
    assert f"tracking: not all of this training was logged to {server.uri}" in done.stderr
    assert "registry: not everything was logged" in done.stdout
    refused = here.run("pneumonia", "sync", expect=1, MLFLOW_TRACKING_URI=server.uri)
    assert "expected a tracking store, received no answer" in refused.stderr
    server.start()
    assert ran(here.run("dvc", "repro", MLFLOW_TRACKING_URI=server.uri)) == ["register"]
    here.run("pneumonia", "sync", MLFLOW_TRACKING_URI=server.uri)
    complete_runs(server.folder, 2)  # the committed one too


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_is_killed_or_hangs_during_training(
    here: Workspace, server: Server, sent: signal.Signals
) -> None:
    here.params({"train.seed": 1, "train.epochs": 150})
    server.start()

    def epochs(_: str) -> bool:
        logged = runs(server.folder).values()
        return any(len(run.metrics.get("learning/loss", [])) > 1 for run in logged)

    status, output = here.interrupt(
        epochs, lambda _: server.signal(sent), MLFLOW_TRACKING_URI=server.uri
    )
    assert status == 0, output
    assert f"tracking: not all of this training was logged to {server.uri}" in output
    assert "registry: not everything was logged" in output
    if sent == signal.SIGSTOP:
        server.signal(signal.SIGCONT)
    else:
        server.kill()
        server.start()
    here.run("pneumonia", "sync", MLFLOW_TRACKING_URI=server.uri)
    (run,) = (
        run for run in complete_runs(server.folder, 2).values() if run.params["train.seed"] == "1"
    )
    assert [step for step, _ in run.metrics["learning/loss"]] == list(range(1, 151))


def test_a_server_that_is_down_at_register(here: Workspace, server: Server) -> None:
    here.params({"train.seed": 1})
    server.start()
    status, output = here.interrupt(
        lambda output: "Running stage 'evaluate'" in output,
        lambda _: server.kill(),
        MLFLOW_TRACKING_URI=server.uri,
    )
    assert status == 0, output
    assert "registry: not everything was logged" in output
    server.start()
    here.run("pneumonia", "sync", MLFLOW_TRACKING_URI=server.uri)
    complete_runs(server.folder, 2)


def test_two_clones_log_to_one_server_concurrently(
    built: Workspace, here: Workspace, server: Server
) -> None:
    server.start()
    processes = [
        subprocess.Popen(
            ["pneumonia", "sync"],
            cwd=workspace.folder,
            stdout=subprocess.DEVNULL,
            env=workspace.environment() | {"MLFLOW_TRACKING_URI": server.uri},
        )
        for workspace in (built, here)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    complete_runs(server.folder, 1)
    assert set(versions(server.folder).values()) == {1}
