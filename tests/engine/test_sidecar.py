"""The helper process gets every message, and nothing that happens to it reaches the sender."""

import json
import sys
from pathlib import Path

import pytest

from stages.engine import sidecar as module
from stages.engine.sidecar import sidecar

COPY_STDIN = """
import sys
from pathlib import Path
Path({out!r}).write_text(sys.stdin.read())
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module `helper`, which PYTHONPATH finds."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "helper.py"


def test_each_message_is_a_line_of_json(script: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script.write_text(COPY_STDIN.format(out=str(out)))
    with sidecar("helper") as send:
        send({"epoch": 1, "loss": 0.5})
        send({"figures": {"val": {}}})
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": 0.5}, {"figures": {"val": {}}}]


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "import no_such_module"])
def test_a_sidecar_that_dies_does_not_disturb_the_sender(
    script: Path, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    script.write_text(text)
    sent = 0
    with sidecar("helper") as send:
        for epoch in range(2000):
            send({"epoch": epoch, "note": "x" * 200})
            sent += 1
    assert sent == 2000


def test_a_missing_module_does_not_disturb_the_sender(capfd: pytest.CaptureFixture[str]) -> None:
    with sidecar("no_such_sidecar") as send:
        send({"epoch": 1})
    assert "no_such_sidecar" in capfd.readouterr().err


def test_a_sidecar_that_never_reads_is_killed(
    script: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_SHUTDOWN_S", 0.2)
    script.write_text("import time\ntime.sleep(60)\n")
    with sidecar("helper") as send:
        for epoch in range(2000):  # far more than a pipe holds
            send({"epoch": epoch, "note": "x" * 200})
    assert "helper: not finished after 0 s, killed" in capfd.readouterr().err


def test_an_error_of_the_sender_is_raised_as_it_is(script: Path, tmp_path: Path) -> None:
    script.write_text(COPY_STDIN.format(out=str(tmp_path / "out")))

    def work() -> None:
        with sidecar("helper") as send:
            send({"epoch": 1})
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        work()
    assert json.loads((tmp_path / "out").read_text()) == {"epoch": 1}


def test_the_sidecar_runs_under_the_same_python(script: Path, tmp_path: Path) -> None:
    out = tmp_path / "python"
    script.write_text(f"import sys, pathlib\npathlib.Path({str(out)!r}).write_text(sys.executable)")
    with sidecar("helper"):
        pass
    assert out.read_text() == sys.executable
