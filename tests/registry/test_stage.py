"""The stage `register` end to end, on files as the other stages leave them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages import register
from stages.registry.store import Store
from tests.registry import fake


@pytest.fixture
def workplace(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the files of a finished run, which is the current folder."""
    assert store.folder is not None
    root = store.folder.parent
    (root / ".dvc").mkdir()
    (root / "stages").symlink_to(fake.ROOT / "stages")
    for name in ("params.yaml", "requirements.lock"):
        shutil.copy(fake.ROOT / name, root)
    fake.write(root / "data")
    monkeypatch.chdir(root)
    return root


def test_it_registers_once_and_then_confirms(workplace: Path, capsys: Any) -> None:
    register.main()
    first, said = (workplace / "data/release.json").read_bytes(), capsys.readouterr().out
    assert "pneumonia-phantom version 1 (synthetic images) is now registered" in said
    register.main()
    assert (workplace / "data/release.json").read_bytes() == first
    assert "is already registered" in capsys.readouterr().out
    release = json.loads(first)
    assert set(release) == {
        "format", "run_digest", "model_digest", "data_digest", "code_digest", "lock_digest",
        "instruction_set", "source", "floors",
    }  # fmt: skip
    assert str(workplace) not in first.decode()


def test_a_dead_server_changes_no_byte(
    workplace: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register.main()
    first = (workplace / "data/release.json").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    capsys.readouterr()
    register.main()
    assert "not all was told" in capsys.readouterr().out
    assert (workplace / "data/release.json").read_bytes() == first


def test_confirming_does_not_import_mlflow(workplace: Path) -> None:
    register.main()
    code = "import sys; from stages import register; register.main(); print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=workplace
    ).stdout
    assert "is already registered" in said
    modules = said.splitlines()[-1].split()
    assert not {"mlflow", "tensorflow", "pandas"} & set(modules)
