"""Spellings that look the same are one patient; those that may be one person are never accepted."""

import random
import unicodedata

import pytest

from stages.sources.patient_ids import cleaned, lookalikes, merged
from stages.sources.received import ReceivedImage


@pytest.mark.parametrize(
    ("given", "one"),
    [
        ("Andre\u0301-1", "Andr\u00e9-1"),
        ("child\u00a07", "child 7"),
        ("child\u20097", "child 7"),
        ("child \t\u3000 7", "child 7"),
        ("child\r\n7", "child 7"),
        ("chi\u200bld\u00ad7", "child7"),
        ("\ufeffchild", "child"),
        (" child\u00a0", "child"),
        ("\u202achild\u202c", "child"),  # marks of direction, from a file manager
        ("child\x007\x7f", "child7"),
        ("child\ufe0f\U000e0101", "child"),  # variation selectors
        ("e\u034f\u0301", "\u00e9"),  # hidden between a letter and its accent
        ("\u3164", ""),
        ("\u200b \u2060", ""),
        ("I\u0307", "\u0130"),  # the Turkish dotted I
        ("\u0e19\u0e49\u0e33 A", "\u0e19\u0e49\u0e33 A"),  # marks that are seen stay
    ],
)
def test_an_id_has_one_spelling(given: str, one: str) -> None:
    assert cleaned(given) == one
    assert cleaned(one) == one


def test_cleaning_twice_or_in_another_form_changes_nothing() -> None:
    draw = random.Random(0)
    ranges = [(0x00, 0x250), (0x300, 0x370), (0x1100, 0x1200), (0x2000, 0x2070), (0xFE00, 0xFE10)]
    for _ in range(20_000):
        text = "".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(5))
        once = cleaned(text)
        assert cleaned(once) == once, ascii(text)
        assert cleaned(unicodedata.normalize("NFD", text)) == once, ascii(text)


@pytest.mark.parametrize(
    "pair",
    [
        ("ABC", "abc"),
        ("STRASSE", "Stra\u00dfe"),
        ("1", "\u2460"),
        ("2", "\u00b2"),
        ("ABC", "\uff21\uff22\uff23"),
        ("i\u0307", "\u0130"),
        ("\u03a3", "\u03c2"),
        ("fi", "\ufb01"),
    ],
)
def test_lookalikes_are_found(pair: tuple[str, str]) -> None:
    assert lookalikes([*pair, "other"]) == [tuple(sorted(pair))]


@pytest.mark.parametrize("pair", [("i", "\u0131"), ("I", "\u0130"), ("1", "01"), ("a b", "ab")])
def test_what_differs_otherwise_is_two_patients(pair: tuple[str, str]) -> None:
    assert lookalikes(pair) == []


def test_merged_spellings_are_counted_and_shown_with_escapes() -> None:
    found = merged({"é": {"e\u0301", "é"}, "b": {"b"}, "a": {"a", "a ", "\u200ba"}})
    assert found is not None
    assert (found.patients, found.spellings) == (2, 5)
    assert found.examples == (("'a'", "'a '", "'\\u200ba'"), ("'e\\u0301'", "'\\xe9'"))
    assert merged({"a": {"a"}}) is None


@pytest.mark.parametrize("field", ["patient", "split_group", "kind", "source_split"])
def test_no_source_can_give_another_spelling(field: str) -> None:
    facts = dict.fromkeys(("kind", "patient", "split_group", "source_split"), "é")
    ReceivedImage("a.png", b"", 0, **facts)
    with pytest.raises(ValueError, match="not cleaned"):
        ReceivedImage("a.png", b"", 0, **facts | {field: "e\u0301"})
