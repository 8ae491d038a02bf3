"""Tables and Markdown: laid out on a terminal, plain when piped."""

import json
import re
import sys

import pytest

from stages.commands.tables import print_markdown, print_rows, print_table

ROWS = [{"name": "a\tlong\nname [bold]", "n": "1"}, {"name": "b", "n": ""}]


def use_terminal(monkeypatch: pytest.MonkeyPatch, *, columns: int = 40) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")


def printed_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on stdout without their styles and trailing spaces."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    return [line.rstrip() for line in text.splitlines()]


def test_piped_it_is_one_row_a_line_with_tabs_between(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, ("name", "n"), as_json=False)
    assert capsys.readouterr().out == "name\tn\na long name [bold]\t1\nb\t\n"


def test_on_a_terminal_it_is_aligned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_terminal(monkeypatch)
    print_rows(ROWS, ("name", "n"), as_json=False)
    assert printed_lines(capsys) == ["name                n", "a long name [bold]  1", "b"]


def test_on_a_narrow_terminal_cells_are_broken_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_terminal(monkeypatch, columns=24)
    print_table(("digest", "figure"), [("0123456789ab", "0.9 (0.8 to 1.0)")])
    assert printed_lines(capsys) == [
        "digest        figure",
        "0123456789ab  0.9 (0.8",
        "              to 1.0)",
    ]


def test_where_words_do_not_fit_each_row_is_a_block_and_nothing_is_cut_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_terminal(monkeypatch, columns=20)
    rows = [("0123456789abcdefghijklmnop", "1", ""), ("b", "2", "c")]
    print_table(("digest", "number", "reason"), rows)
    assert printed_lines(capsys) == [
        "digest  0123456789ab",
        "        cdefghijklmn",
        "        op",
        "number  1",
        "",
        "digest  b",
        "number  2",
        "reason  c",
    ]


def test_for_programs_it_is_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_terminal(monkeypatch)
    print_rows(ROWS, ("name",), as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS
    print_rows([], ("name",), as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_markdown_is_itself_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    print_markdown("| a |\n| --- |\n| **b** |")
    assert capsys.readouterr().out == "| a |\n| --- |\n| **b** |\n"


def test_markdown_is_laid_out_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_terminal(monkeypatch)
    print_markdown("# Title\n\n| a |\n| --- |\n| **b** |")
    lines = printed_lines(capsys)
    assert any("Title" in line and "#" not in line for line in lines)
    assert "b" in [line.strip() for line in lines]


HOSTILE = "\x1b[2J\x9b2J[red]x[/red]\u202ey :smile:"
VISIBLE = r"\x1b[2J\x9b2J[red]x[/red]\u202ey :smile:"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_cell_from_outside_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    if terminal:
        use_terminal(monkeypatch, columns=120)
    print_table(("name", HOSTILE), [(HOSTILE, "a\nb\tc")])
    lines = printed_lines(capsys)
    assert [re.split(r"\t| {2,}", line) for line in lines] == [
        ["name", VISIBLE],
        [VISIBLE, "a b c"],
    ]


def test_a_link_in_a_page_is_printed_with_its_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_terminal(monkeypatch, columns=120)
    print_markdown(f"{HOSTILE} [text](http://evil.example)")
    printed = capsys.readouterr().out
    assert "\x1b]8" not in printed  # the start of a hyperlink
    assert "\x1b[2J" not in printed
    assert "text (http://evil.example)" in re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert "[red]x[/red]" in printed
