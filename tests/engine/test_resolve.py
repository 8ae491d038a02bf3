"""Lock files are resolved by uv itself, from wheels made here, without a network."""

import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stages.engine import resolve as module
from stages.engine.pins import read_pins
from stages.engine.resolve import moves, resolve

ROOT = Path(__file__).parents[2]

PYPROJECT = """\
[project]
name = "project"
version = "1"
requires-python = ">=3.11,<3.14"
dependencies = ["array>=1", "engine-cpu; extra != 'gpu'"]

[project.optional-dependencies]
setup = ["installer"]
dev = ["linter>=1"]
gpu = ["engine-gpu"]
"""


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """Write a wheel that holds nothing but its metadata."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    stem = f"{name.replace('-', '_')}-{version}"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with lock files, and the folder of wheels that they were resolved from."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "array", "1.0")
    wheel(folder, "engine-cpu", "1.0", "shared")
    wheel(folder, "engine-gpu", "1.0", "shared", "driver")
    wheel(folder, "shared", "1.0")
    wheel(folder, "driver", "1.0")
    wheel(folder, "installer", "1.0")
    wheel(folder, "linter", "1.0", "shared", "parser")
    wheel(folder, "parser", "1.0")
    wheel(folder, "pages", "1.0", "parser")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_INDEX_URL", (tmp_path / "no-index").as_uri())
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    (tmp_path / "no-index").mkdir()
    write()
    return folder


def write(*upgrade: str) -> dict[str, str]:
    """Resolve, write, and return the texts by file name."""
    texts = resolve(upgrade)
    for path, text in texts.items():
        path.write_text(text)
    return {str(path): text for path, text in texts.items()}


def pins(name: str) -> list[str]:
    return [pin.requirement for pin in read_pins(Path(name).read_text())]


def test_each_extra_holds_what_it_adds_and_a_replacement_holds_everything(wheels: Path) -> None:
    assert pins("requirements.lock") == ["array==1.0", "engine-cpu==1.0", "shared==1.0"]
    assert pins("requirements-setup.lock") == ["installer==1.0"]
    assert pins("requirements-dev.lock") == ["linter==1.0", "parser==1.0"]
    replaced = ["array==1.0", "driver==1.0", "engine-gpu==1.0", "shared==1.0"]
    assert pins("requirements-gpu.lock") == replaced
    headers = [path.read_text().splitlines()[0] for path in sorted(Path().glob("*.lock"))]
    assert headers == [
        "# The extra dev, on top of requirements.lock.",
        "# Replaces requirements.lock: the extra gpu.",
        "# The extra setup, on top of requirements.lock.",
        "# What the pipeline needs. Every stage depends on this file.",
    ]


def test_nothing_moves_unasked(wheels: Path) -> None:
    before = write()
    for name in ("array", "shared", "linter", "parser", "installer"):
        wheel(wheels, name, "2.0")
    assert write() == before


def test_one_package_is_upgraded_alone(wheels: Path) -> None:
    before = write()
    for name in ("array", "linter", "parser"):
        wheel(wheels, name, "2.0", *(["parser", "shared"] if name == "linter" else []))
    after = write("linter")
    assert pins("requirements-dev.lock") == ["linter==2.0", "parser==1.0"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"requirements-dev.lock"}
    assert moves(before["requirements-dev.lock"], after["requirements-dev.lock"]) == [
        "linter 1.0 -> 2.0"
    ]


def test_a_developers_tool_can_not_move_what_the_pipeline_needs(wheels: Path) -> None:
    wheel(wheels, "shared", "2.0")
    wheel(wheels, "linter", "2.0", "shared>=2")
    before = write()
    write("linter")
    assert "linter==1.0" in pins("requirements-dev.lock")
    assert Path("requirements.lock").read_text() == before["requirements.lock"]


def test_a_further_extra_is_one_line(wheels: Path) -> None:
    before = write()
    Path("pyproject.toml").write_text(PYPROJECT + 'docs = ["pages"]\n')
    wheel(wheels, "parser", "2.0")
    after = write()
    assert {name: after[name] for name in before} == before
    # The parser that dev pins, so that both can be installed together.
    assert pins("requirements-docs.lock") == ["pages==1.0", "parser==1.0"]


def test_everything_can_be_upgraded(wheels: Path) -> None:
    for name in ("array", "shared", "parser"):
        wheel(wheels, name, "2.0")
    write("all")
    assert pins("requirements.lock") == ["array==2.0", "engine-cpu==1.0", "shared==2.0"]
    assert "parser==2.0" in pins("requirements-dev.lock")
    assert "shared==2.0" in pins("requirements-gpu.lock")


def test_an_unknown_package_to_upgrade_is_refused(wheels: Path) -> None:
    with pytest.raises(SystemExit, match="no lock file pins lintr"):
        resolve(["lintr", "array"])


def test_an_impossible_pyproject_leaves_the_locks(
    wheels: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("pyproject.toml").write_text(PYPROJECT.replace("array>=1", "array>=9"))
    with pytest.raises(SystemExit, match=r"requirements\.lock: not resolved"):
        resolve([])
    assert "array" in capfd.readouterr().err
    assert "array==1.0" in pins("requirements.lock")


def test_the_command_prints_what_moved_and_removes_what_is_gone(
    wheels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel(wheels, "array", "2.0")
    Path("requirements-old.lock").write_text("# The extra old, on top of requirements.lock.\n")
    monkeypatch.setattr("sys.argv", ["resolve", "array"])
    module.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "requirements-old.lock: removed, pyproject.toml has no such extra",
        "requirements.lock: array 1.0 -> 2.0",
        "requirements-setup.lock: unchanged",
        "requirements-dev.lock: unchanged",
        "requirements-gpu.lock: array 1.0 -> 2.0",
    ]
    assert not list(Path().glob("*old*"))


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_the_committed_locks_answer_to_pyproject(extra: str) -> None:
    """Every requirement is pinned to a version that it allows."""
    lock = ROOT / (f"requirements-{extra}.lock" if extra else "requirements.lock")
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "requirements.lock", lock)]
    pinned = {pin.name: pin.version for text in texts for pin in read_pins(text)}
    for line in EXTRAS[extra] if extra else PROJECT["dependencies"]:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if name != PROJECT["name"]:
            assert wanted.specifier.contains(pinned[name]), line


def test_the_committed_locks_agree_with_each_other() -> None:
    """Any of them can be installed together: a package has one version on one platform."""
    versions: dict[tuple[str, str], set[str]] = {}
    for lock in ROOT.glob("requirements*.lock"):
        for pin in read_pins(lock.read_text(encoding="utf-8")):
            versions.setdefault((pin.name, pin.marker), set()).add(pin.version)
    assert {key: found for key, found in versions.items() if len(found) > 1} == {}


def test_every_lock_file_belongs_to_an_extra() -> None:
    expected = {"requirements.lock", *(f"requirements-{extra}.lock" for extra in EXTRAS)}
    assert {path.name for path in ROOT.glob("requirements*.lock")} == expected


def test_the_page_lists_every_lock_file() -> None:
    page = (ROOT / "docs/environment.md").read_text(encoding="utf-8")
    listed = {
        line.split("`")[1] for line in page.splitlines() if line.startswith("| `requirements")
    }
    assert listed == {path.name for path in ROOT.glob("requirements*.lock")}
