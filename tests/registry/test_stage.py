"""The stage `register` end to end, on files as the other stages write them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import register
from stages.registry.store import Store
from tests.registry import fake


@pytest.fixture
def workplace(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a repository with the files of a finished run."""
    assert store.folder is not None
    root = store.folder.parent
    (root / ".dvc").mkdir()
    (root / "stages").symlink_to(fake.ROOT / "stages")
    for name in ("params.yaml", "requirements.lock"):
        shutil.copy(fake.ROOT / name, root)
    fake.write(root / "data")
    monkeypatch.chdir(root)
    return root


def test_it_registers_once_and_then_confirms(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register.main()
    first, output = (workplace / "data/release.json").read_bytes(), capsys.readouterr().out
    assert "pneumonia-phantom version 1 (synthetic images) is now registered" in output
    register.main()
    assert (workplace / "data/release.json").read_bytes() == first
    assert "is already registered" in capsys.readouterr().out
    release = json.loads(first)
    digests = {f"{name}_digest" for name in ("run", "model", "data", "code", "lock")}
    assert set(release) == {"format", "instruction_set", "source", "floors", *digests}
    assert str(workplace) not in first.decode()


def test_a_server_that_is_down_changes_no_byte(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register.main()
    first = (workplace / "data/release.json").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    capsys.readouterr()
    register.main()
    assert "not everything was logged" in capsys.readouterr().out
    assert (workplace / "data/release.json").read_bytes() == first


def test_confirming_does_not_import_mlflow(workplace: Path) -> None:
    register.main()
    code = "import sys; from stages import register; register.main(); print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=workplace
    ).stdout
    assert "is already registered" in output
    modules = output.splitlines()[-1].split()
    assert not {"mlflow", "tensorflow", "pandas"} & set(modules)
