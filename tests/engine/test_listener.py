import json
import sys
from pathlib import Path

import pytest

from stages.engine import listener as room
from stages.engine.listener import listener

FAITHFUL = """
import sys
from pathlib import Path
Path({out!r}).write_text(sys.stdin.read())
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `heard` that a listener can be; PYTHONPATH leads to it."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "heard.py"


def test_each_message_is_a_line_of_json(script: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script.write_text(FAITHFUL.format(out=str(out)))
    with listener("heard") as tell:
        tell({"epoch": 1, "loss": 0.5})
        tell({"figures": {"val": {}}})
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": 0.5}, {"figures": {"val": {}}}]


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "import no_such_module"])
def test_a_dead_listener_harms_nothing(
    script: Path, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    script.write_text(text)
    done = 0
    with listener("heard") as tell:
        for epoch in range(2000):
            tell({"epoch": epoch, "note": "x" * 200})
            done += 1
    assert done == 2000


def test_a_listener_that_is_not_there_harms_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with listener("no_such_listener") as tell:
        tell({"epoch": 1})
    assert "no_such_listener" in capfd.readouterr().err


def test_a_listener_that_never_reads_is_left_behind(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_GRACE_S", 0.2)
    script.write_text("import time\ntime.sleep(60)\n")
    with listener("heard") as tell:
        for epoch in range(2000):  # far more than a pipe holds
            tell({"epoch": epoch, "note": "x" * 200})


def test_an_error_of_the_teller_is_its_own(script: Path, tmp_path: Path) -> None:
    script.write_text(FAITHFUL.format(out=str(tmp_path / "out")))

    def work() -> None:
        with listener("heard") as tell:
            tell({"epoch": 1})
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        work()
    assert json.loads((tmp_path / "out").read_text()) == {"epoch": 1}


def test_the_listener_is_started_by_this_python(script: Path, tmp_path: Path) -> None:
    out = tmp_path / "python"
    script.write_text(f"import sys, pathlib\npathlib.Path({str(out)!r}).write_text(sys.executable)")
    with listener("heard"):
        pass
    assert out.read_text() == sys.executable
