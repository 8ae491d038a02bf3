"""`pneumonia sync` on what git and DVC's cache keep, in one process and without training."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.commands import sync as command
from stages.engine.errors import InputError
from stages.history import dvc
from stages.history.plan import read_plan
from stages.registry.connection import open_store
from stages.registry.store import Store
from stages.settings import digests, params
from tests.history.lock_writer import md5_entries, stage_record
from tests.history.test_past import add_to_cache, commit, git
from tests.registry import conftest, fake, stored_runs
from tests.workspace import NO_ROLES

store, template = conftest.store, conftest.template
_outside_experiments = conftest._outside_experiments
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(conftest.PANDAS)]


def sync() -> None:
    command.sync(params.load())


@pytest.fixture
def root(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the code of this one, committed after a run as the stages leave it."""
    assert store.folder is not None
    root = store.folder.parent
    (root / ".dvc").mkdir()
    shutil.copytree(fake.ROOT / "stages", root / "stages", ignore=lambda *_: ["__pycache__"])
    for name in ("params.yaml", "dvc.yaml", "requirements.lock"):
        shutil.copy(fake.ROOT / name, root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(dvc, "output", lambda *_, **__: f"{root / '.dvc/cache'}\n")
    write(0)
    git("init", "--quiet")
    commit()
    return root


def write(seed: int, *, judged: bool = True) -> None:
    """Write the files of a training with this seed, its dvc.lock, and what DVC keeps of it."""
    path = Path("params.yaml")
    tree = yaml.safe_load(path.read_text())
    tree["train"]["seed"] = seed
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    before = yaml.safe_load(Path("dvc.lock").read_text())["stages"] if not judged else {}
    fake.write(Path("data"), model=f"network {seed}".encode())
    Path("data/inputs.json").write_text('{"format": 1}')
    Path("data/roles.csv").write_text(NO_ROLES)
    Path("data/raw").mkdir(exist_ok=True)
    Path("data/raw/index.csv").write_text("image\n")
    Path("data/report/grad_cam.png").write_text("x")
    stages: dict[str, Any] = {}
    for name, planned in read_plan().items():
        if name == "register":
            continue
        for out in map(Path, sorted(planned.outs)):
            if not out.exists():
                out.mkdir()
                (out / "page.html").write_text("x")
            add_to_cache(out)
        stages[name] = stage_record(planned)
        if name == "evaluate" and not judged:
            stages[name] = before[name]
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def experiment(name: str, seed: int, *, judged: bool) -> None:
    """Leave an experiment of HEAD, as DVC does; then the workspace as it was."""
    base = git("rev-parse", "HEAD")
    write(seed, judged=judged)
    git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{name}", commit().rev)
    git("reset", "--quiet", "--hard", base)
    write(0)


def test_a_history_of_experiments_into_a_fresh_store(root: Path, capsys: Any) -> None:
    experiment("judged", 1, judged=True)
    experiment("unjudged", 2, judged=False)
    git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    before = git("status", "--porcelain", "--untracked-files=no")
    sync()
    lines = capsys.readouterr().out.splitlines()
    assert "version 1 (synthetic images) is now registered" in lines[0]
    assert lines[-3:] == [
        "judged: logged now",
        "unjudged: logged now",
        "history: 2 logged now, 1 already",
    ]
    found = {run.params["train.seed"]: run for run in stored_runs.runs(root / "mlruns").values()}
    assert set(found) == {"0", "1", "2"}
    assert all("complete" in run.tags for run in found.values())
    assert [found[seed].tags["judged"] for seed in "012"] == ["yes", "yes", "no"]
    assert len(stored_runs.versions(root / "mlruns")) == 2
    assert [found[seed].tags["dvc_experiment"] for seed in "012"] == [
        "not recorded",
        "judged",
        "unjudged",
    ]
    assert found["1"].tags["git_commit"] == git("rev-parse", "HEAD~")
    assert found["1"].tags["machine"] == "not recorded"
    assert git("status", "--porcelain", "--untracked-files=no") == before

    sync()
    assert capsys.readouterr().out.splitlines()[-1:] == ["history: 0 logged now, 3 already"]
    digests = {run.tags["run_digest"] for run in found.values()}
    assert stored_runs.runs(root / "mlruns").keys() == digests


def test_what_the_cache_does_not_hold_is_named_and_the_rest_is_logged(
    root: Path, capsys: Any
) -> None:
    experiment("here", 1, judged=True)
    experiment("elsewhere", 2, judged=True)
    for path in (root / ".dvc/cache").rglob("*"):
        if path.is_file() and path.read_bytes() == b"network 2":
            path.unlink()
    sync()
    printed = capsys.readouterr().out
    assert "elsewhere: not logged, DVC's cache does not hold all of it" in printed
    assert "history: 1 logged now, 1 already, 1 not in DVC's cache" in printed


def test_an_edit_that_did_not_run_is_no_run(root: Path, capsys: Any) -> None:
    path = Path("params.yaml")
    path.write_text(re.sub(r"epochs: \d+", "epochs: 7", path.read_text()))
    sync()
    assert "data/: not logged, dvc.lock is of other code, params or files" in (
        capsys.readouterr().out
    )
    (run,) = stored_runs.runs(root / "mlruns").values()  # the committed one
    assert run.params["train.epochs"] != "7"


def test_a_lock_file_that_is_cut_off_costs_the_workspace_only(root: Path, capsys: Any) -> None:
    text = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(text[: text.index("md5: ") + 9])
    sync()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("data/: not logged, dvc.lock: ")
    assert "restore it by `git checkout dvc.lock`" in lines[0]
    assert lines[-1] == "history: 1 logged now, 0 already"


def test_nothing_under_data_is_reported(root: Path, capsys: Any) -> None:
    shutil.rmtree("data")
    sync()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "data/: no run yet; `dvc pull` or `dvc repro` brings one"
    assert lines[-1] == "history: 1 logged now, 0 already"


def test_a_run_that_was_trained_only_is_logged(root: Path, capsys: Any) -> None:
    write(3, judged=False)
    sync()
    assert "data/: trained and not evaluated, logged now" in capsys.readouterr().out


def test_params_that_are_not_valid_today_are_named(root: Path, capsys: Any) -> None:
    path = Path("params.yaml")
    write(4)
    now = path.read_text()
    path.write_text(now + "  old: 1\n")  # a key of `register`, which no training needs
    commit()
    path.write_text(now)
    sync()
    printed = capsys.readouterr().out
    assert re.search(r"^\w{7}: not logged, .*unknown key `old`", printed, re.M), printed


def of_earlier_format(experiment: str | None = None) -> str:
    """Commit a run as a pipeline without the present code that answers leaves it; its commit.

    With a name it is an experiment that ended at train, and the branch stays where it was.
    """
    base = git("rev-parse", "HEAD")
    Path("stages/network/detector.py").unlink()
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("max_unreadable_images", "max_unreadable_films"))
    write(9, judged=experiment is None)
    if experiment is None:
        Path("data/release.json").write_text('{"format": 1, "run_digest": "an old digest"}')
        lock = yaml.safe_load(Path("dvc.lock").read_text())
        lock["stages"]["register"] = {
            "cmd": "register",
            "deps": md5_entries(frozenset({"data/model"})),
            "outs": md5_entries(frozenset({"data/release.json"})),
        }
        Path("dvc.lock").write_text(yaml.safe_dump(lock))
    rev = commit().rev
    if experiment:
        git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{experiment}", rev)
    git("reset", "--quiet", "--hard", base)
    write(0)
    return rev


@pytest.mark.parametrize("name", [None, "old-elk"])
def test_a_run_of_an_earlier_format_is_found_and_never_made_again(
    root: Path, store: Store, capsys: Any, name: str | None
) -> None:
    rev = of_earlier_format(name)
    if name is None:
        git("branch", "earlier", rev)
    sync()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == (
        f"1 made by an earlier version of this pipeline and not logged ({name or rev[:7]}); to log "
        f"them, `git checkout {rev[:7]}` and run its own `make setup` and `pneumonia sync`"
    )
    assert lines[-1] == "history: 0 logged now, 1 already"
    assert len(stored_runs.runs(root / "mlruns")) == 1

    client = open_store(store)
    experiment_id = next(
        found.experiment_id
        for found in client.search_experiments()
        if found.name == "pneumonia-phantom"
    )
    tags = {"dvc_experiment": name or "none", "git_commit": git("rev-parse", "HEAD")}
    client.create_run(experiment_id, tags={"run_digest": "an old digest", **tags})
    sync()
    assert capsys.readouterr().out.splitlines()[-1] == "history: 0 logged now, 2 already"
    assert len(stored_runs.runs(root / "mlruns")) == 2


def test_a_server_that_is_down_or_goes_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="expected a tracking store, received no answer"):
        sync()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(command, "_sync_workspace", fail)
    with pytest.raises(InputError, match=r"stopped answering \(no answer\); what was logged"):
        sync()


def test_the_journal_completes_a_run_made_from_files(root: Path) -> None:
    journal = root / ".cache/journal"
    journal.mkdir(parents=True)
    data = json.loads(Path("data/shards/manifest.json").read_text())["digest"]
    name = digests.training_digest(params.load().train, data)
    (journal / f"{name}.json").write_text(json.dumps({"train": {"machine": "m", "wall_s": 1.0}}))
    sync()
    (run,) = stored_runs.runs(root / "mlruns").values()
    assert (run.tags["machine"], run.tags["seconds_train"]) == ("m", "1.0")
