"""Which commits tell of a run, and what is brought of them from git and DVC's cache."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.history import past
from stages.history.lineage import md5
from stages.history.past import MissingError, Past

PLAN = {
    "stages": {
        stage: {"cmd": f"exec {stage}", "deps": deps, "params": [stage], "outs": outs}
        for stage, deps, outs in (
            ("fetch", ["stages/fetch.py"], ["data/raw"]),
            ("preprocess", ["data/raw"], ["data/shards", "data/audit"]),
            ("train", ["data/shards", "stages/train.py"], ["data/model", "data/validation.json"]),
            ("evaluate", ["data/model"], ["data/report/plots", "data/report/metrics.json"]),
        )
    }
}  # fmt: skip
FILES = {
    "params.yaml": yaml.safe_dump({stage: {"seed": 0} for stage in PLAN["stages"]}),
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


def lock() -> dict[str, Any]:
    """A dvc.lock of what lies here."""
    return {"stages": {
        stage: {
            "cmd": plan["cmd"],
            "deps": [{"path": path, "md5": md5(Path(path))} for path in plan["deps"]],
            "params": {"params.yaml": {stage: {"seed": 0}}},
            "outs": [{"path": path, "md5": md5(Path(path))} for path in plan["outs"]],
        }
        for stage, plan in PLAN["stages"].items()
    }}  # fmt: skip


def keep(path: Path) -> None:
    """Keep a file or folder as DVC does."""
    name = str(md5(path))
    place = CACHE / "files/md5" / name[:2] / name[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        shutil.copy(path, place)
        return
    files = sorted(path.iterdir())
    for file in files:
        keep(file)
    place.write_text(json.dumps([{"md5": md5(file), "relpath": file.name} for file in files]))


def git(*words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit() -> Past:
    git("add", "dvc.lock", "dvc.yaml", "params.yaml", "requirements.lock", "stages",
        "data/validation.json", "data/report/metrics.json")  # fmt: skip
    git("commit", "--quiet", "--allow-empty", "--message", "as it is")
    rev = git("rev-parse", "HEAD")
    return Past(rev, None, rev)


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    """A commit of a finished run in a repository, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    Path("dvc.lock").write_text(yaml.safe_dump(lock()))
    for name in ("raw", "audit", "shards", "model", "report/plots"):
        keep(Path("data") / name)
    git("init", "--quiet")
    return commit()


def test_what_is_shown_is_brought_and_no_image(one: Past, tmp_path: Path) -> None:
    shutil.rmtree("data")
    assert past.bring(one, CACHE, tmp_path / "there") is True
    brought = {
        path.relative_to(tmp_path / "there").as_posix()
        for path in (tmp_path / "there").rglob("*") if path.is_file()
    }  # fmt: skip
    assert brought == {*FILES, "dvc.lock"} - {"data/raw/images.zip", "data/shards/train.npy"}
    assert not Path("data").exists()


@pytest.mark.parametrize("path", ["stages/train.py", "params.yaml", "dvc.yaml"])
def test_a_lock_of_other_code_or_params_tells_of_no_run(
    one: Past, tmp_path: Path, path: str
) -> None:
    text = FILES[path].replace("seed: 0", "seed: 1").replace("exec train", "exec other")
    Path(path).write_text(text + "\n")
    assert past.bring(commit(), CACHE, tmp_path / "there") is None
    assert past.workspace() is None


def test_a_training_that_was_not_judged_is_one_without_a_report(one: Past, tmp_path: Path) -> None:
    Path("data/model/model.keras").write_text("another")
    keep(Path("data/model"))
    told = lock()
    told["stages"]["evaluate"] = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["evaluate"]
    Path("dvc.lock").write_text(yaml.safe_dump(told))
    assert past.bring(commit(), CACHE, tmp_path / "there") is False
    assert past.workspace() is False
    assert (tmp_path / "there/data/model/model.keras").read_text() == "another"


def test_what_the_cache_lacks_is_missed_but_for_images(one: Past, tmp_path: Path) -> None:
    def drop(path: str) -> None:
        name = str(md5(Path(path)))
        (CACHE / "files/md5" / name[:2] / name[2:]).unlink()

    drop("data/raw")
    assert past.bring(one, CACHE, tmp_path / "there") is True
    drop("data/shards/records.csv")
    with pytest.raises(MissingError):
        past.bring(one, CACHE, tmp_path / "elsewhere")


def test_a_model_changed_by_hand_is_no_run(one: Past) -> None:
    assert past.workspace() is True
    Path("data/model/model.keras").write_text("by hand")
    assert past.workspace() is None
    Path("dvc.lock").unlink()
    assert past.workspace() is None


def test_experiments_come_first_and_equal_commits_once(one: Past) -> None:
    Path("README").write_text("of no matter")
    git("add", "README")
    git("commit", "--quiet", "--message", "a word")
    Path("params.yaml").write_text(FILES["params.yaml"].replace("seed: 0", "seed: 1"))
    other = commit()
    git("update-ref", f"refs/exps/{one.rev[:2]}/{one.rev[2:]}/odd-elk", other.rev)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", one.rev)
    git("reset", "--quiet", "--hard", "HEAD~")
    assert past.listed() == [Past(other.rev, "odd-elk", one.rev), one]
    assert [str(found) for found in past.listed()] == ["odd-elk", one.rev[:7]]
