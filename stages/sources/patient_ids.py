"""One spelling for each patient: a person under two spellings would be split between two roles.

Programs encode `é` as one code point or two, and copying adds characters that nobody sees: spaces
that don't break or have no width, marks of direction, variants of a glyph. Such spellings are one
patient. Spellings that differ visibly, but perhaps by mistake ("ABC" and "abc"), are never merged
and never accepted: only their author knows whether they are one person.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stages.engine.printable import is_printable

_EXAMPLES = 20


@dataclass(frozen=True)
class MergedPatients:
    """Patients that a source spells in several ways that look the same.

    Attributes:
        patients: Their number.
        spellings: The number of all their spellings.
        examples: The spellings of each of the first patients, with escapes for what is not ASCII.
    """

    patients: int
    spellings: int
    examples: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        shown = [" = ".join(each) for each in self.examples[:3]]
        such = f", such as {'; '.join(shown)}" if shown else ""
        return (
            "patients that the source spells in several ways that look the same, counted as one "
            f"each: {self.patients} ({self.spellings} spellings{such})"
        )


def cleaned(text: str) -> str:
    """Return the one spelling under which an id is compared and stored.

    Characters that nobody sees are left out, every run of spaces of any kind is one space, none
    stands at the ends, and the rest is in Unicode's form NFC.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = (" " if char.isspace() else char for char in text if _is_visible(char))
    return unicodedata.normalize("NFC", " ".join("".join(visible).split()))


def merged(spellings: Mapping[str, Iterable[str]]) -> MergedPatients | None:
    """Return what became one patient, None if nothing did.

    Args:
        spellings: The different spellings of each patient, by their cleaned id.
    """
    several = {name: sorted(each) for name, each in sorted(spellings.items())}
    found = [tuple(map(ascii, each)) for each in several.values() if len(each) > 1]
    if not found:
        return None
    return MergedPatients(len(found), sum(map(len, found)), tuple(found[:_EXAMPLES]))


def together(several: Iterable[MergedPatients | None]) -> MergedPatients | None:
    """Return what became one patient in several sources, None if nothing did."""
    found = [each for each in several if each is not None]
    if not found:
        return None
    return MergedPatients(
        sum(each.patients for each in found),
        sum(each.spellings for each in found),
        tuple(example for each in found for example in each.examples)[:_EXAMPLES],
    )


def lookalikes(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of cleaned ids that case folding and compatibility forms make equal."""
    by_key: dict[str, set[str]] = defaultdict(set)
    for name in ids:
        by_key[folded(name)].add(name)
    return sorted(tuple(sorted(group)) for group in by_key.values() if len(group) > 1)


def _is_visible(char: str) -> bool:
    return char.isspace() or is_printable(char)


def folded(name: str) -> str:
    """Return Unicode's NFKC_Casefold of a cleaned id (its chapter 3.13, D146)."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFD", name)
    for _ in range(2):
        folded = unicodedata.normalize("NFKC", folded.casefold())
    return cleaned(folded)
