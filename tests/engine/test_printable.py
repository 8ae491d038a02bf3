"""Text from outside becomes visible text, and nothing else of it changes."""

import json
import sys
import unicodedata

import pytest

from stages.engine.printable import is_printable, printable, printable_json, printable_lines

HIDDEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def test_every_control_and_format_character_becomes_an_escape() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in HIDDEN:
            assert printable(character).isascii(), hex(code)
            assert printable(character).startswith("\\"), hex(code)


@pytest.mark.parametrize(
    "text",
    [
        "train/NORMAL/IM-0001-0001.jpeg",
        "Ärztin Müller, 肺炎 X光.png",
        "рентген",
        "صورة الصدر",
        "हिन्दी",
        "한국어",
        r"C:\a\x1b",
        "a b\u3000c\u00a0d",
        "e\u0301",
    ],
)
def test_letters_of_every_script_stay(text: str) -> None:
    assert printable(text) == printable_lines(text) == text
    assert is_printable(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2Jx", r"\x1b[2Jx"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a\nb\rc\td\x00", r"a\nb\rc\td\x00"),
        ("\u200b\u2028\u3164\udcff\U000e0041", r"\u200b\u2028\u3164\udcff\U000e0041"),
    ],
)
def test_others_are_visible_and_can_be_read_back(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(expected) == expected
    assert not is_printable(text)
    assert expected.encode().decode("unicode_escape") == text


def test_a_message_keeps_its_lines() -> None:
    assert printable_lines("a\r\nb\tc\rd\x1b") == "a\nb\tc\\rd\\x1b"


def test_json_keeps_its_value() -> None:
    value = {"näme\x7f": ["\x1b\u202e\U000e0041", "\n"]}
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(text) == value
    assert printable_lines(text) == text
    assert "näme" in text
