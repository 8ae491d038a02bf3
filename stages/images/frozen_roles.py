"""data/roles.csv: the roles of the data set whose model was promoted, which growth must not change.

One row per group of patients: a hash of its name, its role, the number of the promotion that froze
it, and a checksum of these three, by which a row that was edited is noticed. Rows of two branches
may be merged. A file with the header alone freezes nothing. A name that can be guessed can be found
by hashing guesses; `fetch.hash_names` gives names that can't.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from stages.engine.csv_text import csv_text
from stages.engine.errors import InputError
from stages.engine.files import write_text
from stages.engine.tables import read_table
from stages.images.role_names import GUARDED, TAIL, TEST

COLUMNS = ("group", "role", "since", "check")
_DIGITS = 20  # 80 bits: no two of a million groups collide
_CHECK_DIGITS = 8
_MARKERS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


class Entry(NamedTuple):
    """What is frozen of a group: its role, and the number of the promotion, from 1."""

    role: str
    since: int


class RecordedGroup(NamedTuple):
    """What a records.csv says of a group: its role, and whether its source's own test has it."""

    group: str
    official: bool
    role: str


class ContradictionError(InputError):
    """A data set has groups in other roles than those that are frozen."""


@dataclass(frozen=True)
class FrozenRoles:
    """Frozen roles by the hash of a group's name.

    Attributes:
        entries: By hash.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"FrozenRoles({len(self.entries)} groups)"

    def hash_of(self, group: str, *, official: bool = False) -> str:
        """Return the hash under which a group is frozen.

        Args:
            group: Its name, `<source>/<id>`.
            official: Whether its images in its source's own test split are meant. Others of the
                group may be in the training split, where the source says that they are of another
                patient.
        """
        text = f"roles/{'official' if official else 'own'}/{group}"
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    def find(self, group: str, *, official: bool = False) -> Entry | None:
        """Return what is frozen of a group, if anything; arguments as of `hash_of`."""
        return self.entries.get(self.hash_of(group, official=official))

    def find_own(self, group: str) -> Entry | None:
        """Return what is frozen of a group's images outside its source's own test split.

        They may have been in it, when their roles were frozen.
        """
        return self.find(group) or self.find(group, official=True)

    @property
    def latest(self) -> int:
        """Number of the last promotion that froze a role; 0 before the first."""
        return max((entry.since for entry in self.entries.values()), default=0)

    def describe(self, *, here: int, new: int, new_sources: Collection[str] = ()) -> list[str]:
        """Return lines to print: how many groups are frozen, and a warning where many are missing.

        Args:
            here: Number of groups of a data set that are frozen.
            new: Number of its other groups.
            new_sources: Sources that have images in it, and none of a frozen group.
        """
        missing = len(self.entries) - here
        if not self.entries:
            return []
        lines = [
            f"roles: {len(self.entries)} groups of patients are frozen in data/roles.csv, "
            f"{missing} of them not here; {new} new ones"
        ]
        if missing and new_sources:
            lines.append(
                f"warning: {missing} frozen groups are not here, and none is frozen of "
                f"{', '.join(new_sources)}. If a source was renamed, give it its former name, and "
                "its patients their roles: under the new name they are dealt anew, also from test "
                "into training"
            )
        if missing > here:
            lines.append(
                "warning: most frozen groups are not here. If these are other patients, delete "
                "all lines of data/roles.csv but the first"
            )
        return lines

    def with_groups(self, found: Iterable[RecordedGroup]) -> "FrozenRoles":
        """Return these roles and those of the groups `found`; what is frozen stays.

        Raises:
            ContradictionError: A group has another role than the frozen one.
        """
        entries = dict(self.entries)
        number = self.latest + 1
        others = 0
        for group, official, role in found:
            entry = entries.setdefault(self.hash_of(group, official=official), Entry(role, number))
            others += entry.role != role
        if others:
            raise ContradictionError(
                f"data/roles.csv: {others} groups of data/shards are in another role than the "
                "frozen one; run `dvc repro`"
            )
        return FrozenRoles(entries)

    def write(self, path: Path) -> None:
        """Write the file, sorted by hash, whole or not at all."""
        rows = ((key, *entry, _check(key, *entry)) for key, entry in sorted(self.entries.items()))
        write_text(path, csv_text(COLUMNS, rows))


NOTHING_FROZEN = FrozenRoles()


def read_frozen_roles(path: Path) -> FrozenRoles:
    """Read the file at `path`.

    Raises:
        InputError: It is missing or is not such a file; the message names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise _refusal(path, "expected a file, found none") from None
    except UnicodeDecodeError:
        raise _refusal(path, "expected text in UTF-8, received something else") from None
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith(_MARKERS):
            raise InputError(
                f"{path}: line {number} is a mark of a merge conflict; keep the lines of both "
                "sides, each group once, without the marks. Where the sides have a group in two "
                f"roles, take one side by `git checkout HEAD {path}` and promote again"
            )
    if not lines or lines[0] != ",".join(COLUMNS):
        first = repr(lines[0][:80]) if lines else "an empty file"
        raise _refusal(path, f"expected the columns {','.join(COLUMNS)}, received {first}")
    if not text.endswith("\n"):
        raise _refusal(path, "its last line is cut off")
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            key, entry = _parse(line.split(","))
            if key in entries:
                roles = {entries[key].role, entry.role}
                in_two = f" and two roles, {' and '.join(sorted(roles))}" if len(roles) > 1 else ""
                raise ValueError(f"expected each group once, received {key} again{in_two}")
        except ValueError as error:
            raise _refusal(path, f"line {number}: {error}") from None
        entries[key] = entry
    return FrozenRoles(entries)


def read_recorded_groups(records: Path, joined: Mapping[str, str]) -> list[RecordedGroup]:
    """Return the groups of a records.csv under their own names, with their roles, sorted.

    Args:
        records: The file.
        joined: The name under which a group was joined with another, by its own name
            (`joined_groups` of the manifest).

    Raises:
        InputError: The file is missing.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for group, name in joined.items():
        members[name].append(group)
    role_of: dict[tuple[str, bool], str] = {}
    try:
        with records.open(newline="", encoding="utf-8") as handle:
            for row in read_table(handle)[1]:
                if row["role"] not in GUARDED:
                    continue
                key = (row["split_group"], row["source_split"] == TEST)
                # val_tail repeats the pneumonia images of val: a group in val is of val.
                if row["role"] != TAIL or key not in role_of:
                    role_of[key] = row["role"]
    except FileNotFoundError:
        raise InputError(f"{records}: expected a file, found none; run `dvc repro`") from None
    return sorted(
        RecordedGroup(group, official, role)
        for (name, official), role in role_of.items()
        for group in [name, *(() if official else members[name])]
    )


def agrees(frozen: FrozenRoles, found: Iterable[RecordedGroup]) -> bool:
    """Whether every group of `found` is frozen in the role that it has there."""
    return all(
        (entry := frozen.find(each.group, official=each.official)) and entry.role == each.role
        for each in found
    )


def _parse(row: list[str]) -> tuple[str, Entry]:
    """Return hash and entry of a line; raise ValueError if a field is wrong."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"expected {len(COLUMNS)} fields, received {len(row)}")
    group, role, since, check = row
    if not re.fullmatch(rf"[0-9a-f]{{{_DIGITS}}}", group):
        raise ValueError(f"expected {_DIGITS} digits 0-9a-f, received {group[:40]!r}")
    if role not in GUARDED:
        raise ValueError(f"expected the role {', '.join(GUARDED)}, received {role[:40]!r}")
    if not re.fullmatch(r"[1-9][0-9]{0,5}", since):
        raise ValueError(f"expected the number of a promotion, from 1, received {since[:40]!r}")
    if check != _check(group, role, since):
        raise ValueError(f"expected the checksum of what was frozen, received {check[:40]!r}")
    return group, Entry(role, int(since))


def _check(group: str, role: str, since: int | str) -> str:
    """Return the checksum of a row."""
    return hashlib.sha256(f"{group},{role},{since}".encode()).hexdigest()[:_CHECK_DIGITS]


def _refusal(path: Path, problem: str) -> InputError:
    return InputError(
        f"{path}: {problem}; restore it by `git checkout {path}`. `pneumonia promote` writes it, "
        "nothing else should"
    )
