"""What is printed stays text, whatever it holds."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.engine import console
from stages.engine.errors import as_input_error

HOSTILE = "\x1b[2J\x9b2J\u202ex\x07"
VISIBLE = r"\x1b[2J\x9b2J\u202ex\x07"


def test_results_and_notes_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_text(f"{HOSTILE}\nsecond", flush=True)
    console.print_note(HOSTILE)
    assert capsys.readouterr() == (f"{VISIBLE}\nsecond\n", f"{VISIBLE}\n")


def test_json_is_valid_and_printable(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"name": f"{HOSTILE}\x7fé"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": f"{HOSTILE}\x7fé"}
    assert out.isascii()
    assert out.replace("\n", "").isprintable()


def test_user_and_password_of_an_address_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_note("no answer from postgresql://ada:s3cret@db/runs, http://t0ken@h:1/")
    console.print_text("write to ada@example.org, see http://h/@x")
    out, err = capsys.readouterr()
    assert err == "no answer from postgresql://db/runs, http://h:1/\n"
    assert out == "write to ada@example.org, see http://h/@x\n"


def test_a_terminal_of_another_encoding_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    console.print_text("肺炎")
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u80ba\\u708e\n"


STAGE = """
from stages.engine.stage import run
from stages.engine.errors import InputError
def main():
    raise {error}
run(main)
"""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("InputError('\\x1b[2J: \\u202ebad')", rb"error: \x1b[2J: \u202ebad"),
        ("PermissionError(13, 'no', 'a\\nb\\x1b')", rb"error: a\nb\x1b: permission denied"),
        ("KeyError('x') from ValueError('http://ada:s3cret@h/\\x1b[2J')", rb"http://h/\x1b[2J"),
    ],
)
def test_errors_of_a_stage_are_printable(error: str, expected: bytes) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", STAGE.format(error=error)], capture_output=True, check=False
    )
    assert finished.returncode == 1
    assert expected in finished.stderr
    assert b"\x1b" not in finished.stderr
    assert b"s3cret" not in finished.stderr


def test_a_fault_of_the_machine_names_its_file_on_one_line() -> None:
    fault = as_input_error(OSError(28, "full", Path("a\nb\x1b")))
    assert str(fault).startswith(r"a\nb\x1b: the disk is full")
