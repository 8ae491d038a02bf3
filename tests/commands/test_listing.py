import json
import sys

import pytest

from stages.commands.listing import show

ROWS = [{"name": "a\tlong\nname", "n": "1"}, {"name": "b", "n": ""}]


def test_piped_it_is_one_row_a_line_with_tabs_between(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, ("name", "n"), as_json=False)
    assert capsys.readouterr().out == "name\tn\na long name\t1\nb\t\n"


def test_on_a_terminal_it_is_aligned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show(ROWS, ("name", "n"), as_json=False)
    assert capsys.readouterr().out == "name         n\na long name  1\nb\n"


def test_for_machines_it_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, ("name",), as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS
    show([], ("name",), as_json=True)
    assert json.loads(capsys.readouterr().out) == []
