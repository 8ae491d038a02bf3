"""A release comes from a commit: HEAD's dvc.lock records the model and its figures."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from stages.engine.errors import InputError
from stages.history import lineage
from stages.history.lock_file import dvc_md5

MODEL = "m" * 64
FILES = {
    "data/model/model.keras": "a network",
    "data/model/b/operating_point.json": "{}",
    "data/report/metrics.json": '{"test": 1}',
    "data/validation.json": '{"val": 2}',
    "data/release.json": json.dumps({"model_digest": MODEL}),
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed repository whose dvc.lock records what lies under data/."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], check=True)
    write_lock()
    commit()
    return tmp_path


def write_lock() -> None:
    """Write dvc.lock as DVC would."""
    stages = {
        f"stage of {path}": {
            "cmd": "python -m stages.example",
            "outs": [{"path": path.as_posix(), "md5": dvc_md5(path)}],
        }
        for path in lineage.RELEASED
    }
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def commit() -> None:
    subprocess.run(["git", "add", "dvc.lock"], check=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, "commit", "--quiet", "--message", "a lock file"], check=True)


def broken_rules(model: str = MODEL) -> list[str]:
    return [
        rule
        for rule, found, required in lineage.compare_with_head(model)
        if found is None or found != required
    ]


def test_what_is_committed_breaks_no_rule(repository: Path) -> None:
    assert broken_rules() == []


@pytest.mark.parametrize(
    "path", ["data/model/model.keras", "data/report/metrics.json", "data/validation.json"]
)
def test_a_file_that_changed_since_the_commit_is_named(repository: Path, path: str) -> None:
    Path(path).write_text("trained again")
    (rule,) = broken_rules()
    assert rule.startswith(path.removesuffix("/model.keras"))
    write_lock()
    commit()
    assert broken_rules() == []


def test_a_lock_file_that_is_not_committed_does_not_count(repository: Path) -> None:
    Path("data/model/model.keras").write_text("trained again")
    write_lock()
    assert len(broken_rules()) == 1


def test_a_lock_file_that_is_cut_off_at_head_is_an_error(repository: Path) -> None:
    text = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(text[: text.index("md5: ") + 9])
    commit()
    with pytest.raises(InputError, match=r"dvc.lock at HEAD: .* expected a whole lock file"):
        broken_rules()


def test_release_json_must_name_the_versions_model(repository: Path) -> None:
    assert broken_rules("x" * 64) == ["data/release.json names this version's model"]
    Path("data/release.json").unlink()
    assert len(broken_rules()) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_broken_release_json_names_no_model(repository: Path, text: str) -> None:
    Path("data/release.json").write_text(text)
    assert len(broken_rules()) == 2


def test_figures_are_those_of_the_released_model_only(repository: Path) -> None:
    assert lineage.released_figures(MODEL) == {"test": 1, "val": 2}
    assert lineage.released_figures("x" * 64) is None
    Path("data/release.json").unlink()
    assert lineage.released_figures(MODEL) is None


def test_outside_a_repository_every_rule_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(broken_rules()) == 5
