"""A release comes from a commit: HEAD's dvc.lock names the model and its report."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from stages.history import lineage

MODEL = "m" * 64


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed repository whose dvc.lock names what lies under data/."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    for name, text in {
        "data/model/model.keras": "a network", "data/model/b/operating_point.json": "{}",
        "data/report/metrics.json": '{"test": 1}', "data/validation.json": '{"val": 2}',
        "data/release.json": json.dumps({"model_digest": MODEL}),
    }.items():  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], check=True)
    commit()
    return tmp_path


def commit() -> None:
    """Write dvc.lock as DVC would, and commit it."""
    stages = {
        f"stage of {path}": {"outs": [{"path": path.as_posix(), "md5": lineage.md5(path)}]}
        for path in lineage.NAMED
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    subprocess.run(["git", "add", "dvc.lock"], check=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, "commit", "--quiet", "--message", "locked"], check=True)


def broken(model: str = MODEL) -> list[str]:
    return [
        what for what, found, required in lineage.lineage(model)
        if found is None or found != required
    ]  # fmt: skip


def test_what_is_committed_is_named(repository: Path) -> None:
    assert broken() == []


@pytest.mark.parametrize(
    "path", ["data/model/model.keras", "data/report/metrics.json", "data/validation.json"]
)
def test_a_file_changed_since_is_not(repository: Path, path: str) -> None:
    Path(path).write_text("trained again")
    (what,) = broken()
    assert what.startswith(path.removesuffix("/model.keras"))
    commit()
    assert broken() == []


def test_a_lock_that_is_not_committed_names_nothing(repository: Path) -> None:
    Path("data/model/model.keras").write_text("trained again")
    renewed = (
        Path("dvc.lock")
        .read_text()
        .replace(str(lineage.lineage(MODEL)[0][2]), str(lineage.md5(Path("data/model"))))
    )
    Path("dvc.lock").write_text(renewed)
    assert len(broken()) == 1


def test_another_version_than_the_release_is_not(repository: Path) -> None:
    assert broken("x" * 64) == ["data/release.json names this version's model"]
    Path("data/release.json").unlink()
    assert len(broken()) == 2


def test_figures_are_told_of_the_released_model_alone(repository: Path) -> None:
    assert lineage.report(MODEL) == {"test": 1, "val": 2}
    assert lineage.report("x" * 64) is None
    Path("data/release.json").unlink()
    assert lineage.report(MODEL) is None


def test_without_git_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(broken()) == 5
