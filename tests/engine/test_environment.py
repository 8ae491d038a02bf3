import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.engine import environment
from stages.engine.environment import lines_of_pin, lock_files, lock_of, setup
from tests.engine import fake_python

ROOT = Path(__file__).parents[2]

LOCKS = {
    "requirements.lock": "numpy==2.4 \\\n    --hash=sha256:aa\n",
    "requirements-setup.lock": (
        "uv==0.9.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
        "uv-build==1.0 \\\n    --hash=sha256:dd\n"
    ),
    "requirements-dev.lock": "ruff==1.0 \\\n    --hash=sha256:ee\n",
    "requirements-serve.lock": "driver==1.0 \\\n    --hash=sha256:ff\n",
    "requirements-gpu.lock": "# Replaces requirements.lock: the extra gpu.\nnumpy==2.4\n",
    "requirements-tpu.lock": "# Replaces requirements.lock: the extra tpu.\nnumpy==2.4\n",
}


class Project:
    """A folder with lock files, and the commands that a set-up would have run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: list[list[str]] = []
        self.fails = ""
        (folder / "pyproject.toml").write_text('requires-python = ">=3.11,<3.14"\n')
        for name, text in LOCKS.items():
            (folder / name).write_text(text)

    def run(self, *command: str | Path) -> None:
        words = [str(word) for word in command]
        self.commands.append(words)
        if self.fails and self.fails in words:
            raise SystemExit("set-up stopped")
        if words[1:3] == ["-m", "venv"]:
            version = subprocess.check_output([words[0]], text=True).strip()
            environment.STAMP.unlink(missing_ok=True)
            fake_python.write(environment.VENV / "bin", "python", version)

    def synced(self) -> list[str] | None:
        """Lock files that the last set-up installed, None if it did nothing."""
        found = [words for words in self.commands if "sync" in words]
        created = [words[0] for words in self.commands if "venv" in words]
        self.commands.clear()
        assert len(found) <= 1
        assert found or not created
        return [word for word in found[0] if word.endswith(".lock")] if found else None


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path)
    fake_python.write(tmp_path / "bin", "python3.11", "3.11.7")
    fake_python.write(tmp_path / "bin", "python3", "3.13.5")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(environment, "_run", made.run)
    return made


BASE = ["requirements.lock", "requirements-setup.lock"]
DEV = ["requirements.lock", "requirements-dev.lock", "requirements-setup.lock"]
SERVE_DEV = [*DEV[:2], "requirements-serve.lock", "requirements-setup.lock"]
SERVE = ["requirements.lock", "requirements-serve.lock", "requirements-setup.lock"]


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ([], ["requirements.lock", "requirements-setup.lock"]),
        (["setup"], ["requirements.lock", "requirements-setup.lock"]),
        (["serve", "dev"], SERVE_DEV),
        (["dev", "gpu"], ["requirements-gpu.lock", *DEV[1:]]),
    ],
)
def test_each_extra_adds_its_lock_or_replaces_the_base(
    project: Project, extras: list[str], expected: list[str]
) -> None:
    assert [str(path) for path in lock_files(extras)] == expected


def test_an_extra_without_a_lock_is_refused(project: Project) -> None:
    with pytest.raises(SystemExit, match="no lock file for docs; choose from dev, gpu, serve, tpu"):
        lock_files(["docs", "dev"])


def test_two_extras_that_replace_the_base_are_refused(project: Project) -> None:
    with pytest.raises(SystemExit, match="gpu and tpu exclude each other; choose one"):
        lock_files(["tpu", "gpu"])


def test_what_was_asked_for_is_kept(project: Project) -> None:
    setup("", None, [])  # make repro in a new clone
    assert project.synced() == BASE
    setup("", None, [])
    assert project.synced() is None
    setup("", None, ["dev"])  # make test
    assert project.synced() == DEV
    setup("", None, [])  # make repro
    assert project.synced() is None
    setup("", ["serve"], [])  # make setup EXTRAS=serve
    assert project.synced() == SERVE
    setup("", None, ["dev"])  # make setup
    assert project.synced() == SERVE_DEV
    setup("", [], [])  # make setup EXTRAS=
    assert project.synced() == BASE


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "pyproject.toml"])
def test_a_changed_file_is_installed(project: Project, name: str) -> None:
    setup("", ["dev"], [])
    project.synced()
    with (project.folder / name).open("a") as file:
        file.write("# changed\n")
    setup("", None, [])
    assert project.synced() == DEV


def test_a_changed_lock_of_another_extra_installs_nothing(project: Project) -> None:
    setup("", ["dev"], [])
    project.synced()
    (project.folder / "requirements-serve.lock").write_text("driver==2.0\n")
    setup("", None, [])
    assert project.synced() is None


def test_a_set_up_that_failed_is_finished_with_the_extras_asked_for(project: Project) -> None:
    project.fails = "sync"
    with pytest.raises(SystemExit):
        setup("", ["dev"], [])
    project.fails = ""
    project.commands.clear()
    setup("", None, [])
    assert project.synced() == DEV


def test_an_extra_that_is_gone_is_dropped(project: Project) -> None:
    setup("", ["dev", "serve"], [])
    project.synced()
    (project.folder / "requirements-serve.lock").unlink()
    setup("", None, [])
    assert project.synced() == DEV


def venv_version(project: Project) -> str:
    return str(json.loads((project.folder / ".venv/.setup.json").read_text())["python"])


def test_another_python_is_taken_where_it_is_asked_for(project: Project) -> None:
    setup("", ["dev"], [])
    assert venv_version(project) == "3.11"
    project.synced()
    setup("python3", None, [])
    assert venv_version(project) == "3.13"
    assert project.synced() == DEV
    setup("", None, [])  # and it stays
    assert project.synced() is None
    setup("python3", None, [])
    assert project.synced() is None


@pytest.mark.parametrize("version", ["", "3.12.3", "3.14.0"])
def test_an_environment_whose_python_is_gone_or_upgraded_is_made_again(
    project: Project, version: str
) -> None:
    setup("", ["dev"], [])
    project.synced()
    fake_python.write(project.folder / ".venv/bin", "python", version)
    setup("", None, [])
    assert project.synced() == DEV
    assert venv_version(project) == "3.11"


def test_uv_is_installed_by_pip_from_its_pin_and_hashes(project: Project) -> None:
    setup("", [], [])
    expected = "uv==0.9.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert (project.folder / ".venv/uv.lock.txt").read_text() == expected
    pip = next(words for words in project.commands if "pip" in words and "--no-deps" in words)
    assert "--require-hashes" in pip


@pytest.mark.parametrize("package", ["build", "u", "pip"])
def test_a_package_that_is_not_pinned_is_refused(project: Project, package: str) -> None:
    with pytest.raises(ValueError, match=rf"setup\.lock: expected a pin of '{package}'"):
        lines_of_pin(lock_of("setup"), package)


def test_the_committed_lock_pins_uv_with_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = lines_of_pin(lock_of("setup"), "uv").splitlines()
    assert found[0].startswith("uv==")
    assert all(line.strip().startswith("--hash=sha256:") for line in found[1:])


def test_the_set_up_runs_on_a_bare_python() -> None:
    command = [sys.executable, "-S", "-m", "stages.engine.environment", "--help"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "--extras" in finished.stdout


@pytest.mark.parametrize("name", ["environment", "interpreter", "pins", "__init__"])
def test_an_old_python_can_read_the_set_up(name: str) -> None:
    text = (ROOT / f"stages/engine/{name}.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 7))


def makefile(*arguments: str) -> Any:
    """What make would run, without running it."""
    environment = {
        key: value for key, value in os.environ.items() if key not in {"EXTRAS", "PYTHON"}
    }
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    return subprocess.check_output(command, cwd=ROOT, env=environment, text=True)


def test_make_says_which_extras_a_target_needs() -> None:
    assert "--need dev" in makefile("setup")
    assert "--need dev" in makefile("lint")
    assert "--need" not in makefile("repro")
    assert "--extras" not in makefile("repro")
    given = makefile("setup", "EXTRAS=s3 docs")
    assert '--extras "s3 docs"' in given
    assert "--need" not in given
    assert '--extras ""' in makefile("setup", "EXTRAS=")
    assert makefile("setup", "PYTHON=python3.12").startswith("python3.12 -m stages.engine")
