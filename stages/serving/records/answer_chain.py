"""What an answer log is on disk, and whether it is as it was written."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError, NotFound
from stages.engine.files import sha256_bytes

HEAD = "head"
"""File with the number and the digest of the newest line."""

FIRST_PREVIOUS = "0" * 64
"""What the first line has in place of the digest of a line before it."""

_UNFINISHED = "unfinished line"
_NAME = re.compile(r"answers-([0-9]{6,})\.jsonl")
_HEAD = re.compile(r"(?P<number>[0-9]+)[ :](?P<digest>[0-9a-f]{64})")
_MOST_PROBLEMS = 100


@dataclass(frozen=True)
class Head:
    """A line: its number, from 1, and the SHA-256 of its bytes."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


@dataclass
class Verdict:
    """What reading a whole log found.

    Attributes:
        head: The newest line.
        answers: Lines of answers.
        unfinished: Lines that a killed service left half-written and the next one recorded.
        problems: What is not as it was written, in the order of the lines; 100 at most.
    """

    head: Head
    answers: int = 0
    unfinished: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        """Note a problem."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)


def log_name(number: int) -> str:
    """Return the name of a file of the log."""
    return f"answers-{number:06d}.jsonl"


def log_files(folder: Path) -> list[int]:
    """Return the numbers of the files of a log, ascending."""
    found = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def format_head(head: Head) -> bytes:
    """Return the content of HEAD, always of the same length, to be written over an earlier one."""
    return f"{head.number:020d} {head.digest}\n".encode()


def read_head(folder: Path) -> Head | None:
    """Return what HEAD notes, line 0 where it is empty; None if it is missing.

    Raises:
        InputError: It holds something else.
    """
    path = folder / HEAD
    if not path.exists():
        return None
    text = path.read_text(encoding="ascii", errors="replace").strip()
    return parse_head(text, path.as_posix()) if text else Head(0, FIRST_PREVIOUS)


def parse_head(text: str, place: str) -> Head:
    """Return the line that a text such as "17:9f86..." names.

    Raises:
        InputError: It is no number and digest; the message begins with `place`.
    """
    match = _HEAD.fullmatch(text)
    if match is None:
        raise InputError(f"{place}: expected a line as NUMBER:DIGEST, received something else")
    return Head(int(match["number"]), match["digest"])


def whole_line(text: bytes) -> Head | None:
    """Return number and digest of a line with its line break; None if it is not whole."""
    fields = _fields(text)
    return None if fields is None else Head(fields["n"], sha256_bytes(text[:-1]))


def unfinished_event(text: bytes) -> dict[str, Any]:
    """Return the fields by which a service records what a killed one left half-written."""
    return {"event": _UNFINISHED, "bytes": len(text), "sha256": sha256_bytes(text)}


def verify(folder: Path, *, after: Head | None = None, noted: Head | None = None) -> Verdict:
    """Read a log and find lines that were removed, changed, added or moved.

    Args:
        folder: Of the log; a service may be writing there.
        after: The last line of files that were moved away; None: it begins with line 1.
        noted: A line that was noted elsewhere, which must be there.

    Raises:
        NotFound: There is no log.
        InputError: The file HEAD holds something else.
    """
    numbers = log_files(folder) if folder.is_dir() else []
    if not numbers:
        raise NotFound(f"{folder}: expected an answer log, found none ({log_name(1)})")
    head = read_head(folder)  # before the lines, of which a running service may add some
    verdict = Verdict(after or Head(0, FIRST_PREVIOUS))
    if head is None:
        verdict.add(f"{HEAD}: missing, so that lines removed from the end would not be found")
    anchors = [(f"the file {HEAD}", head), ("the line noted elsewhere", noted)]
    reader = _Reader(verdict, {name: anchor for name, anchor in anchors if anchor is not None})
    for expected, number in enumerate(numbers, numbers[0] if after else 1):
        if number != expected and not reader.gap:
            verdict.add(f"{log_name(expected)}: missing")
            reader.gap = True  # further names would differ only for that
    for number in numbers:
        for place, text in _lines(folder, number):
            reader.read(place, text)
    reader.end()
    return verdict


def _lines(folder: Path, number: int) -> Iterator[tuple[str, bytes]]:
    name = log_name(number)
    with (folder / name).open("rb") as handle:
        for at, text in enumerate(handle, start=1):
            yield f"{name} line {at}", text


class _Reader:
    """Compares each line with the one before it."""

    def __init__(self, verdict: Verdict, anchors: dict[str, Head]) -> None:
        self._verdict = verdict
        self._anchors = anchors
        self._broken: list[bytes] = []
        self._broken_at = ""
        self.gap = False

    def read(self, place: str, text: bytes) -> None:
        """Read the next line, with its line break."""
        fields = _fields(text)
        if fields is None:
            self._broken_at = self._broken_at or place
            self._broken.append(text)
            return
        self._check_broken(fields)
        verdict, last = self._verdict, self._verdict.head
        number = fields["n"]
        if number <= last.number:
            verdict.add(f"{place}: line {number} stands after line {last.number}: moved or copied")
            return
        if number > last.number + 1:
            verdict.add(f"{place}: {_range(last.number + 1, number - 1)} missing before it")
        elif fields.get("previous") != last.digest:
            verdict.add(
                f"{place}: line {number} has another digest of the line before it: "
                f"line {last.number} was changed, or this one was"
            )
        verdict.head = Head(number, sha256_bytes(text[:-1]))
        verdict.answers += "event" not in fields
        for name, anchor in self._anchors.items():
            if anchor.number == number and anchor.digest != verdict.head.digest:
                verdict.add(f"{place}: line {number} is not the one of {name}: it was changed")

    def _check_broken(self, following: dict[str, Any]) -> None:
        """Compare what is no line with what the line after it records of it."""
        event = following.get("event") == _UNFINISHED
        if not self._broken and not event:
            return
        found = unfinished_event(b"".join(self._broken)[:-1])
        if event and {key: following.get(key) for key in found} == found:
            self._verdict.unfinished += 1
        else:
            place = self._broken_at or f"before line {following['n']}"
            self._verdict.add(f"{place}: expected a line of the log, found something else")
        self._broken, self._broken_at = [], ""

    def end(self) -> None:
        """Compare the newest line with those noted elsewhere."""
        last = self._verdict.head.number
        for name, anchor in self._anchors.items():
            if anchor.number > last:
                self._verdict.add(f"the end: {_range(last + 1, anchor.number)} missing, by {name}")
        if len(self._broken) > 1:  # one may be just being written
            self._verdict.add(
                f"{self._broken_at}: expected a line of the log, found something else"
            )


def _range(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"


def _fields(text: bytes) -> dict[str, Any] | None:
    """Return the fields of a line with its line break; None if it is no whole line."""
    if not text.endswith(b"\n"):
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(fields, dict) and type(fields.get("n")) is int and fields["n"] > 0
    return fields if whole else None
