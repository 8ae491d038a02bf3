"""Ways in which a run used to get lost or doubled, each through the real commands.

docs/tracking.md has them as a table. `whole` is what must come of each: so many runs, every one
complete, none doubled nor any part of one, one version per model.
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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository after `dvc repro`, committed, with its data in a remote of its own."""
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
    """A copy to work in."""
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


def forget(workspace: Workspace) -> None:
    shutil.rmtree(store(workspace))


def ran(finished: subprocess.CompletedProcess[str]) -> list[str]:
    return [
        line.split("'")[1] for line in finished.stdout.splitlines()
        if line.startswith("Running stage")
    ]  # fmt: skip


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def without_circumstances(run: StoredRun) -> StoredRun:
    """The run but for what the journal tells, and the moments of MLflow's own."""
    journal = {"git_commit", "git_dirty", "dvc_experiment", "machine", "time", "circumstances"}
    return replace(
        run,
        tags={
            key: value for key, value in run.tags.items()
            if key not in journal and not key.startswith(("seconds_", "mlflow."))
        },
        files={path: sha for path, sha in run.files.items() if path != "circumstances.json"},
    )  # fmt: skip


def test_outs_removed_and_checked_out_into_a_fresh_store(here: Workspace) -> None:
    before = complete_runs(store(here), 1)
    forget(here)
    for out in OUTS:
        shutil.rmtree(here.folder / "data" / out)
    here.run("git", "checkout", "--", "data")
    here.run("dvc", "checkout")
    assert ran(here.run("dvc", "repro")) == ["register"]
    # Made from the files, it is the run that was made live, with its circumstances.
    after = complete_runs(store(here), 1)
    assert {key: replace(run, tags={}) for key, run in after.items()} == {
        key: replace(run, tags={}) for key, run in before.items()
    }
    (one,), (other,) = before.values(), after.values()
    assert {key: value for key, value in one.tags.items() if not key.startswith("mlflow.")} == {
        key: value for key, value in other.tags.items() if not key.startswith("mlflow.")
    }


def test_a_run_shows_all_that_is_known_of_it(built: Workspace) -> None:
    (run,) = complete_runs(store(built), 1).values()
    recorded = {
        key: run.tags[key]
        for key in ("git_commit", "machine", "instruction_set", "time", "seconds_fetch",
                    "seconds_preprocess", "seconds_train", "seconds_evaluate", "threads",
                    "lock_digest", "data_digest", "code_digest", "synthetic",
                    "mlflow.user", "mlflow.source.name", "mlflow.source.git.commit")
    }  # fmt: skip
    assert "not recorded" not in recorded.values()
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
    # Once more into a fresh store, where DVC restores every stage from its run-cache.
    forget(here)
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
    silent = ("git_commit", "git_dirty", "machine", "time", "dvc_experiment")
    assert {run.tags[key] for key in silent} == {"not recorded"}
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
        target = ["train"] if seed > 2 else []  # an experiment as the README runs them, or whole
        here.run("dvc", "exp", "run", "--queue", "--name", f"queued-{seed}",
                 "-S", f"train.seed={seed}", *target)  # fmt: skip
    here.run("dvc", "exp", "run", "--run-all", "--jobs", "4", seconds=1800)
    # Those that end at `train` are there if the machine let them be told within its seconds.
    assert 3 <= len(runs(store(here))) <= 5
    here.run("pneumonia", "sync")
    live = complete_runs(store(here), 5, judged=3)
    names = {run.tags["dvc_experiment"] for run in live.values()}
    assert names == {"none", "queued-1", "queued-2", "queued-3", "queued-4"}
    assert here.run("git", "status", "--porcelain").stdout == ""
    moves = json.loads(here.run("pneumonia", "history", "--json").stdout)
    assert [(move["alias"], move["to"]) for move in moves] == [("candidate", "1")]
    assert (store(built) / "mlflow.db").read_bytes() == before

    # All of them again, from what git and DVC's cache keep, into a fresh store.
    forget(here)
    said = here.run("pneumonia", "sync").stdout
    assert "history: 4 logged now, 1 already" in said
    assert here.run("git", "status", "--porcelain").stdout == ""
    past = complete_runs(store(here), 5, judged=3)
    assert {key: without_circumstances(run) for key, run in past.items()} == {
        key: without_circumstances(run) for key, run in live.items()
    }
    assert {run.tags["dvc_experiment"] for run in past.values()} == names
    assert "history: 0 logged now, 5 already" in here.run("pneumonia", "sync").stdout
    # Without a journal, git still knows which experiment it was.
    forget(here)
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
    here.interrupt(lambda said: "Running stage 'evaluate'" in said, kill)
    assert ran(here.run("dvc", "repro")) == ["evaluate", "register"]
    found = complete_runs(store(here), 2)
    (run,) = (run for run in found.values() if run.params["train.seed"] == "1")
    assert [step for step, _ in run.metrics["learning/loss"]] == list(range(1, 41))


def test_made_again_by_force(here: Workspace) -> None:
    assert "train" in ran(here.run("dvc", "repro", "--force"))
    complete_runs(store(here), 1)


def test_three_processes_at_once_in_a_fresh_store(here: Workspace) -> None:
    forget(here)
    at_once = [
        subprocess.Popen(words, cwd=here.folder, env=here.environment(), stdout=subprocess.DEVNULL)
        for words in (["dvc", "repro"], ["pneumonia", "sync"], ["pneumonia", "sync"])
    ]
    assert [process.wait() for process in at_once] == [0, 0, 0]
    complete_runs(store(here), 1)


def test_a_server_that_is_dead_at_the_start(here: Workspace, server: Server) -> None:
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


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_hangs_in_mid_training(
    here: Workspace, server: Server, fate: signal.Signals
) -> None:
    here.params({"train.seed": 1, "train.epochs": 150})
    server.start()

    def epochs(_: str) -> bool:
        return any(len(run.metrics.get("learning/loss", [])) > 1
                   for run in runs(server.folder).values())  # fmt: skip

    status, said = here.interrupt(
        epochs, lambda _: server.signal(fate), MLFLOW_TRACKING_URI=server.uri
    )
    assert status == 0, said
    assert f"tracking: not all of this training was logged to {server.uri}" in said
    assert "registry: not everything was logged" in said
    if fate == signal.SIGSTOP:
        server.signal(signal.SIGCONT)
    else:
        server.kill()
        server.start()
    here.run("pneumonia", "sync", MLFLOW_TRACKING_URI=server.uri)
    (run,) = (
        run for run in complete_runs(server.folder, 2).values() if run.params["train.seed"] == "1"
    )
    assert [step for step, _ in run.metrics["learning/loss"]] == list(range(1, 151))


def test_a_server_that_is_dead_at_register(here: Workspace, server: Server) -> None:
    here.params({"train.seed": 1})
    server.start()
    status, said = here.interrupt(
        lambda said: "Running stage 'evaluate'" in said, lambda _: server.kill(),
        MLFLOW_TRACKING_URI=server.uri,
    )  # fmt: skip
    assert status == 0, said
    assert "registry: not everything was logged" in said
    server.start()
    here.run("pneumonia", "sync", MLFLOW_TRACKING_URI=server.uri)
    complete_runs(server.folder, 2)


def test_two_clones_tell_one_server_at_once(
    built: Workspace, here: Workspace, server: Server
) -> None:
    server.start()
    at_once = [
        subprocess.Popen(
            ["pneumonia", "sync"], cwd=workspace.folder, stdout=subprocess.DEVNULL,
            env=workspace.environment() | {"MLFLOW_TRACKING_URI": server.uri},
        )
        for workspace in (built, here)
    ]  # fmt: skip
    assert [process.wait() for process in at_once] == [0, 0]
    complete_runs(server.folder, 1)
    assert set(versions(server.folder).values()) == {1}
