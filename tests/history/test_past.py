"""Which commits hold a run, and what is restored of them from git and DVC's cache."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine.errors import InputError
from stages.history import chain, past
from stages.history.lock_file import dvc_md5
from stages.history.past import MissingError, PastRun, Progress

STAGES = {
    "fetch": (["stages/fetch.py"], ["data/raw"]),
    "preprocess": (["data/raw"], ["data/shards", "data/audit"]),
    "train": (["data/shards", "stages/train.py"], ["data/model", "data/validation.json"]),
    "evaluate": (["data/model"], ["data/report/plots", "data/report/metrics.json"]),
}
PLAN = {
    "stages": {
        stage: {"cmd": f"exec {stage}", "deps": deps, "params": [stage], "outs": outs}
        for stage, (deps, outs) in STAGES.items()
    }
}
FILES = {
    "params.yaml": yaml.safe_dump({stage: {"seed": 0} for stage in STAGES}),
    "dvc.yaml": yaml.safe_dump(PLAN),
    "requirements.lock": "a==1\n",
    "stages/fetch.py": "fetch",
    "stages/train.py": "train",
    "data/raw/index.csv": "image",
    "data/raw/images.zip": "images",
    "data/audit/page.html": "audit",
    "data/shards/manifest.json": "{}",
    "data/shards/records.csv": "a",
    "data/shards/train.npy": "pixels",
    "data/model/model.keras": "network",
    "data/validation.json": "{}",
    "data/report/metrics.json": "{}",
    "data/report/plots/roc.csv": "0",
}
CACHE = Path(".dvc/cache")


def current_lock() -> dict[str, Any]:
    """A dvc.lock that records what lies in the current folder."""
    stages = {
        stage: {
            "cmd": f"exec {stage}",
            "deps": [{"path": path, "md5": dvc_md5(Path(path))} for path in deps],
            "params": {"params.yaml": {stage: {"seed": 0}}},
            "outs": [{"path": path, "md5": dvc_md5(Path(path))} for path in outs],
        }
        for stage, (deps, outs) in STAGES.items()
    }
    return {"stages": stages}


def add_to_cache(path: Path) -> None:
    """Keep a file or folder as DVC does."""
    name = str(dvc_md5(path))
    stored = CACHE / "files/md5" / name[:2] / name[2:]
    stored.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        shutil.copy(path, stored)
        return
    files = sorted(path.iterdir())
    for file in files:
        add_to_cache(file)
    stored.write_text(json.dumps([{"md5": dvc_md5(file), "relpath": file.name} for file in files]))


def restored(run: PastRun, folder: Path) -> Progress:
    """Restore into `folder` all that a run is logged from."""
    progress = past.extract(run, folder)
    if progress is not Progress.OTHER_RUN:
        past.restore_outs(folder, progress, CACHE)
    return progress


def remove_from_cache(path: str) -> None:
    name = str(dvc_md5(Path(path)))
    (CACHE / "files/md5" / name[:2] / name[2:]).unlink()


def git(*words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit() -> PastRun:
    """Commit what git keeps of a run."""
    kept = ["dvc.lock", "dvc.yaml", "params.yaml", "requirements.lock", "stages"]
    figures = ["data/validation.json", "data/report/metrics.json"]
    others = [
        f"data/{name}" for name in ("inputs.json", "source.json", "release.json", "roles.csv")
    ]
    git("add", *kept, *figures, *(name for name in others if Path(name).exists()))
    git("commit", "--quiet", "--allow-empty", "--message", "a run")
    rev = git("rev-parse", "HEAD")
    return PastRun(rev, None, rev)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PastRun:
    """A commit of a finished run in a repository that is the current folder."""
    # These params are not the whole of params.yaml, and name no file outside.
    monkeypatch.setattr(chain, "changed_outside", lambda: iter(()))
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    Path("dvc.lock").write_text(yaml.safe_dump(current_lock()))
    for name in ("raw", "audit", "shards", "model", "report/plots"):
        add_to_cache(Path("data") / name)
    git("init", "--quiet")
    return commit()


def test_all_but_images_is_restored(run: PastRun, tmp_path: Path) -> None:
    shutil.rmtree("data")
    assert restored(run, tmp_path / "there") is Progress.EVALUATED
    files = {
        path.relative_to(tmp_path / "there").as_posix()
        for path in (tmp_path / "there").rglob("*")
        if path.is_file()
    }
    assert files == {*FILES, "dvc.lock"} - {"data/raw/images.zip", "data/shards/train.npy"}
    assert not Path("data").exists()


@pytest.mark.parametrize("path", ["stages/train.py", "params.yaml", "dvc.yaml"])
def test_a_lock_file_of_other_code_or_params_records_no_run(
    run: PastRun, tmp_path: Path, path: str
) -> None:
    text = FILES[path].replace("seed: 0", "seed: 1").replace("exec train", "exec other")
    Path(path).write_text(text + "\n")
    assert restored(commit(), tmp_path / "there") is Progress.OTHER_RUN
    assert past.workspace_progress() is Progress.OTHER_RUN


def test_a_training_that_was_not_evaluated_has_no_report(run: PastRun, tmp_path: Path) -> None:
    Path("data/model/model.keras").write_text("another")
    add_to_cache(Path("data/model"))
    lock = current_lock()
    lock["stages"]["evaluate"] = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["evaluate"]
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    assert restored(commit(), tmp_path / "there") is Progress.TRAINED
    assert past.workspace_progress() is Progress.TRAINED
    assert (tmp_path / "there/data/model/model.keras").read_text() == "another"


def test_files_missing_from_the_cache_are_an_error_except_for_images(
    run: PastRun, tmp_path: Path
) -> None:
    remove_from_cache("data/raw")
    assert restored(run, tmp_path / "there") is Progress.EVALUATED
    remove_from_cache("data/shards/records.csv")
    with pytest.raises(MissingError):
        restored(run, tmp_path / "elsewhere")


def test_a_model_changed_by_hand_is_another_run(run: PastRun) -> None:
    assert past.workspace_progress() is Progress.EVALUATED
    Path("data/model/model.keras").write_text("by hand")
    assert past.workspace_progress() is Progress.OTHER_RUN
    Path("dvc.lock").unlink()
    assert past.workspace_progress() is Progress.OTHER_RUN


def test_without_a_plan_there_is_no_run(run: PastRun) -> None:
    Path("dvc.yaml").unlink()
    assert past.workspace_progress() is Progress.OTHER_RUN


def test_a_lock_file_that_is_cut_off_is_an_error(run: PastRun, tmp_path: Path) -> None:
    text = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(text[: text.rindex("md5: ") + 9])
    with pytest.raises(InputError, match=r"^dvc.lock: .* expected a whole lock file"):
        past.workspace_progress()
    with pytest.raises(InputError, match=r"dvc.lock: .* expected a whole lock file"):
        restored(commit(), tmp_path / "there")


def test_a_pipeline_whose_answers_had_no_code_of_their_own_is_of_an_earlier_format(
    run: PastRun, tmp_path: Path
) -> None:
    past.extract(run, tmp_path / "there")
    assert past.is_earlier_format(tmp_path / "there")
    (tmp_path / "there/stages/network").mkdir()
    (tmp_path / "there/stages/network/detector.py").write_text("answer")
    assert not past.is_earlier_format(tmp_path / "there")


def test_release_json_names_its_own_run_only(run: PastRun, tmp_path: Path) -> None:
    def lock_with_register() -> dict[str, Any]:
        lock = current_lock()
        lock["stages"]["register"] = {
            "cmd": "exec register",
            "deps": [{"path": "data/model", "md5": dvc_md5(Path("data/model"))}],
            "outs": [{"path": "data/release.json", "md5": dvc_md5(Path("data/release.json"))}],
        }
        return lock

    def committed_run(folder: str) -> str | None:
        past.extract(commit(), tmp_path / folder)
        return past.released_run(tmp_path / folder)

    assert committed_run("not registered") is None
    Path("data/release.json").write_text('{"run_digest": "abc", "format": 1}')
    assert committed_run("not by the stage") is None
    lock = lock_with_register()
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    assert committed_run("registered") == "abc"
    # An experiment that ends at train leaves the release of the commit that it started from.
    Path("data/model/model.keras").write_text("another")
    lock["stages"]["train"] = current_lock()["stages"]["train"]
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    assert committed_run("trained again") is None
    Path("dvc.lock").write_text(yaml.safe_dump(lock_with_register()))
    assert committed_run("registered again") == "abc"


def test_experiments_come_first_and_equal_commits_once(run: PastRun) -> None:
    Path("README").write_text("no part of a run")
    git("add", "README")
    git("commit", "--quiet", "--message", "a README")
    Path("params.yaml").write_text(FILES["params.yaml"].replace("seed: 0", "seed: 1"))
    other = commit()
    git("update-ref", f"refs/exps/{run.rev[:2]}/{run.rev[2:]}/odd-elk", other.rev)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", run.rev)
    git("reset", "--quiet", "--hard", "HEAD~")
    assert past.find_runs() == [PastRun(other.rev, "odd-elk", run.rev), run]
    assert [str(found) for found in past.find_runs()] == ["odd-elk", run.rev[:7]]
