r"""Make text from outside printable: file names, patients, tags, messages of other programs.

A terminal obeys escape sequences, an editor reorders what follows U+202E, and an invisible
character makes two names look alike. Here each such character becomes a visible escape, as Python
writes it: `\x1b`, `\u202e`, `\n`. Letters of every script stay as they are. The characters are
listed, not looked up, so that every Python version writes the same bytes.

Syntax of Python 3.7, since the set-up runs this with whatever Python there is.
"""

from __future__ import annotations

import re

_INVISIBLE = (
    "\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Controls, format characters, separators, lone surrogates and letters without a shape."""

_UNPRINTABLE = re.compile(f"[\x00-\x1f{_INVISIBLE}]")
_UNPRINTABLE_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_INVISIBLE}]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    r"""Return a name or another single line with visible escapes.

    A text that is printable already stays as it is, so applying this twice changes nothing. What a
    name was can be read back, save that a name may hold a backslash itself: `\x1b` in it looks the
    same as an escape. Where identity counts, use `engine.tables` or JSON.
    """
    return _UNPRINTABLE.sub(_escape, text)


def printable_lines(text: str) -> str:
    """Return a message of several lines with visible escapes; line breaks and tabs stay."""
    return _UNPRINTABLE_IN_LINES.sub(_escape, text.replace("\r\n", "\n"))


def is_printable(text: str) -> bool:
    """Return whether `printable` would leave a text as it is."""
    return not _UNPRINTABLE.search(text)


def printable_json(text: str) -> str:
    r"""Return JSON of the same value whose strings show no such character: `\u202e`."""
    return _UNPRINTABLE_IN_LINES.sub(_escape_in_json, text)


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    if code < 0x100:
        return _SHORT.get(character, rf"\x{code:02x}")
    return rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}"


def _escape_in_json(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be", "surrogatepass")
    return "".join(rf"\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
