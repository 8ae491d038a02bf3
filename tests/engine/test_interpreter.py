import os
import tomllib
from pathlib import Path

import pytest

from stages.engine.interpreter import allowed_versions, find, probe
from tests.engine import fake_python

ROOT = Path(__file__).parents[2]
ALLOWED = ["3.11", "3.12", "3.13"]


def test_the_allowed_versions_are_those_of_pyproject() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert allowed_versions(text) == ALLOWED
    # The other places that name a version follow.
    parsed = tomllib.loads(text)
    assert parsed["tool"]["ruff"]["target-version"] == "py311"
    assert parsed["tool"]["mypy"]["python_version"] == "3.11"


def test_another_form_of_requires_python_is_refused() -> None:
    with pytest.raises(ValueError, match="must have the form"):
        allowed_versions('requires-python = "~=3.11"\n')


def test_probe_gives_version_and_path(tmp_path: Path) -> None:
    command = fake_python.write(tmp_path, "python3.12", "3.12.4")
    found = probe("python3.12", str(tmp_path))
    assert found == (str(command), "3.12.4")
    assert found is not None
    assert found.minor == "3.12"


def test_a_command_that_does_not_start_is_no_interpreter(tmp_path: Path) -> None:
    fake_python.write(tmp_path, "python3.12", "")
    assert probe("python3.12", str(tmp_path)) is None
    assert probe("python3.13", str(tmp_path)) is None


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        # The version of the committed results, wherever python3 leads.
        ({"python3": "3.13.5", "python3.11": "3.11.7", "python3.13": "3.13.5"}, "python3.11"),
        # Ubuntu 24.04, Debian 13.
        ({"python3": "3.12.3", "python3.12": "3.12.3"}, "python3"),
        ({"python3": "3.13.5", "python3.13": "3.13.5"}, "python3"),
        ({"python3": "3.10.12", "python3.12": "3.12.3", "python3.13": "3.13.5"}, "python3.13"),
        # A version manager's name for a version that it has not installed.
        ({"python3.11": "", "python3": "3.14.0", "python3.12": "3.12.3"}, "python3.12"),
    ],
)
def test_the_first_that_fits_is_found(
    there: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in there.items():
        fake_python.write(tmp_path / "bin", name, version)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find(ALLOWED, "", tmp_path / ".venv").path == str(tmp_path / "bin" / expected)


def test_an_active_environment_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_python.write(tmp_path / ".venv/bin", "python3.11", "3.11.7")
    outside = fake_python.write(tmp_path / "bin", "python3.12", "3.12.3")
    monkeypatch.setenv(
        "PATH", os.pathsep.join(map(str, [tmp_path / ".venv/bin", tmp_path / "bin"]))
    )
    assert find(ALLOWED, "", tmp_path / ".venv").path == str(outside)


def test_the_error_names_what_is_needed_and_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake_python.write(tmp_path, "python3", "3.10.12")
    fake_python.write(tmp_path, "python3.12", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        find(ALLOWED, "", tmp_path / ".venv")
    assert str(stopped.value) == (
        "Python 3.11, 3.12 or 3.13 is needed; on the PATH: no python3.11, python3 is 3.10.12 "
        f"({old}), no python3.13, no python3.12. Install one of them, or name one: "
        "make setup PYTHON=/path/to/python3.13"
    )


def test_a_requested_interpreter_must_fit(tmp_path: Path) -> None:
    old = fake_python.write(tmp_path, "old", "3.10.12")
    broken = fake_python.write(tmp_path, "broken", "")
    new = fake_python.write(tmp_path, "new", "3.13.5")
    assert find(ALLOWED, str(new), tmp_path / ".venv").version == "3.13.5"
    with pytest.raises(SystemExit, match=r"old is Python 3\.10\.12; needed: 3\.11, 3\.12 or 3\.13"):
        find(ALLOWED, str(old), tmp_path / ".venv")
    with pytest.raises(SystemExit, match="broken: not a Python that runs; needed: Python 3"):
        find(ALLOWED, str(broken), tmp_path / ".venv")
