"""`pneumonia sync` on what git and DVC's cache keep, in one process and without training."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.commands.sync import sync
from stages.engine import keys
from stages.engine.errors import InputError
from stages.history import dvc
from stages.history.lock_file import dvc_md5
from stages.registry.store import Store
from tests.history.test_past import add_to_cache, commit, git
from tests.registry import conftest, fake, stored_runs

store, template, mlflow_imported = conftest.store, conftest.template, conftest.mlflow_imported
_outside_experiments = conftest._outside_experiments
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(conftest.PANDAS)]


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
    """Leave the files of a training with this seed, its dvc.lock, and what DVC keeps of it."""
    params = Path("params.yaml")
    tree = yaml.safe_load(params.read_text())
    tree["train"]["seed"] = seed
    params.write_text(yaml.safe_dump(tree, sort_keys=False))
    before = yaml.safe_load(Path("dvc.lock").read_text())["stages"] if not judged else {}
    fake.write(Path("data"), model=f"network {seed}".encode())
    Path("data/raw").mkdir(exist_ok=True)
    Path("data/raw/index.csv").write_text("image\n")
    Path("data/report/grad_cam.png").write_text("x")
    stages: dict[str, Any] = {}
    for name, plan in yaml.safe_load(Path("dvc.yaml").read_text())["stages"].items():
        outs = [
            out if isinstance(out, str) else next(iter(out))
            for out in [*plan["outs"], *plan.get("metrics", [])]
        ]
        if name == "register":
            continue
        for path in map(Path, outs):
            if not path.exists():
                path.mkdir()
                (path / "page.html").write_text("x")
        used = {key: keys.get(tree, key) for key in plan["params"]}
        stages[name] = {
            "cmd": plan["cmd"], "params": {"params.yaml": used},
            "deps": [{"path": path, "md5": dvc_md5(Path(path))} for path in plan["deps"]],
            "outs": [{"path": path, "md5": dvc_md5(Path(path))} for path in outs],
        }  # fmt: skip
        if name == "evaluate" and not judged:
            stages[name] = before[name]
        for out in outs:
            add_to_cache(Path(out))
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def experiment(name: str, seed: int, *, judged: bool) -> None:
    """An experiment of HEAD, as DVC leaves one; then the workspace as it was."""
    base = git("rev-parse", "HEAD")
    write(seed, judged=judged)
    git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{name}", commit().rev)
    git("reset", "--quiet", "--hard", base)
    write(0)


def test_a_history_of_experiments_into_a_fresh_store(root: Path, capsys: Any) -> None:
    experiment("judged", 1, judged=True)
    experiment("unjudged", 2, judged=False)
    git("commit", "--quiet", "--allow-empty", "--message", "a word")
    before = git("status", "--porcelain", "--untracked-files=no")
    assert sync() == 0
    said = capsys.readouterr().out.splitlines()
    assert "version 1 (synthetic images) is now registered" in said[0]
    assert said[-3:] == [
        "judged: shown now", "unjudged: shown now", "history: 2 shown now, 1 already"
    ]  # fmt: skip
    found = {run.params["train.seed"]: run for run in stored_runs.runs(root / "mlruns").values()}
    assert set(found) == {"0", "1", "2"}
    assert all("complete" in run.tags for run in found.values())
    assert [found[seed].tags["judged"] for seed in "012"] == ["yes", "yes", "no"]
    assert len(stored_runs.versions(root / "mlruns")) == 2
    assert [found[seed].tags["dvc_experiment"] for seed in "012"] == [
        "not recorded", "judged", "unjudged"
    ]  # fmt: skip
    assert found["1"].tags["git_commit"] == git("rev-parse", "HEAD~")
    assert found["1"].tags["machine"] == "not recorded"
    assert git("status", "--porcelain", "--untracked-files=no") == before

    sync()
    assert capsys.readouterr().out.splitlines()[-1:] == ["history: 0 shown now, 3 already"]
    digests = {run.tags["run_digest"] for run in found.values()}
    assert stored_runs.runs(root / "mlruns").keys() == digests


def test_what_the_cache_lacks_is_said_and_the_rest_is_shown(root: Path, capsys: Any) -> None:
    experiment("here", 1, judged=True)
    experiment("elsewhere", 2, judged=True)
    for path in (root / ".dvc/cache").rglob("*"):
        if path.is_file() and path.read_bytes() == b"network 2":
            path.unlink()
    sync()
    said = capsys.readouterr().out
    assert "elsewhere: not shown, DVC's cache lacks some of it" in said
    assert "history: 1 shown now, 1 already, 1 not in DVC's cache" in said


def test_an_edit_that_was_not_run_is_no_run(root: Path, capsys: Any) -> None:
    params = Path("params.yaml")
    params.write_text(re.sub(r"epochs: \d+", "epochs: 7", params.read_text()))
    sync()
    assert "data/: not shown, dvc.lock tells of other code, params or files" in (
        capsys.readouterr().out
    )
    (run,) = stored_runs.runs(root / "mlruns").values()  # the committed one
    assert run.params["train.epochs"] != "7"


def test_nothing_under_data_is_said(root: Path, capsys: Any) -> None:
    shutil.rmtree("data")
    sync()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "data/: nothing to show yet; `dvc pull` or `dvc repro` brings it"
    assert said[-1] == "history: 1 shown now, 0 already"


def test_a_trained_run_in_the_workspace_is_shown(root: Path, capsys: Any) -> None:
    write(3, judged=False)
    sync()
    assert "data/: trained and not judged, shown now" in capsys.readouterr().out


def test_params_of_another_time_are_said(root: Path, capsys: Any) -> None:
    params = Path("params.yaml")
    write(4)
    now = params.read_text()
    params.write_text(now + "  old: 1\n")  # a key of `register`, which no training needs
    commit()
    params.write_text(now)
    sync()
    said = capsys.readouterr().out
    assert re.search(r"^\w{7}: not shown, .*expected no such key", said, re.M), said


def test_a_server_that_is_down_or_goes_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="expected a tracking store, received no answer"):
        sync()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    from stages.commands import sync as room

    def gone(*_: Any, **__: Any) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(room, "_workspace", gone)
    with pytest.raises(InputError, match=r"stopped answering \(no answer\); what was logged"):
        sync()


def test_the_journal_tells_of_a_run_made_from_files(root: Path) -> None:
    from stages.settings import digests, params

    journal = root / ".cache/journal"
    journal.mkdir(parents=True)
    data = json.loads(Path("data/shards/manifest.json").read_text())["digest"]
    name = digests.training_digest(params.load().train, data)
    (journal / f"{name}.json").write_text(json.dumps({"train": {"machine": "m", "wall_s": 1.0}}))
    sync()
    (run,) = stored_runs.runs(root / "mlruns").values()
    assert (run.tags["machine"], run.tags["seconds_train"]) == ("m", "1.0")
