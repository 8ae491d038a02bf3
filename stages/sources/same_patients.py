"""A table of ids that are one person: CSV, `patient,same_as`, each `<source>/<id>`.

Ids of two sources are two patients, even where they are equal: hospitals number from 1. A person
who was imaged in two hospitals is known to this table alone.
"""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from stages.engine.components import smallest_in_component
from stages.engine.errors import InputError
from stages.sources.labels import format_problems
from stages.sources.patient_ids import cleaned
from stages.sources.table_file import open_table, read_rows

COLUMNS = ("patient", "same_as")


@dataclass(frozen=True)
class SamePatients:
    """What the table at `path` says.

    Attributes:
        path: For messages.
        pairs: Ids that are one person, by the line of the table.
    """

    path: Path
    pairs: Mapping[int, tuple[str, str]]

    def join(self, groups: Mapping[str, Set[str]]) -> "Joined":
        """Join the patients of each person, and their split groups.

        Args:
            groups: The split groups of each patient that has images.

        Raises:
            InputError: An id is no patient's; the message lists the first 20.
        """
        problems = [
            f"line {line}: {name!r} is no patient of any source"
            for line, pair in self.pairs.items()
            for name in pair
            if name not in groups
        ]
        if problems:
            raise InputError(
                f"{self.path}: expected ids as `patient` in data/raw/index.csv, <source>/<id>; "
                f"nothing was imported because of\n{format_problems(problems)}"
            )
        patients = smallest_in_component(self.pairs.values())
        links: list[tuple[str, str]] = []
        first: dict[str, str] = {}
        for patient, smallest in sorted(patients.items()):
            for group in sorted(groups[patient]):
                links.append((first.setdefault(smallest, group), group))
        return Joined(patients, smallest_in_component(links))


@dataclass(frozen=True)
class Joined:
    """The id of each patient, and of each split group, where it is not its own any more."""

    patients: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


def read_same_patients(path: Path) -> SamePatients:
    """Read the table at `path`.

    Raises:
        InputError: The file is missing or is not such a table, or lines lack an id.
    """
    table = open_table(path, COLUMNS, (), key="fetch.same_patients")
    pairs: dict[int, tuple[str, str]] = {}
    problems = []
    for line, row in read_rows(path, table):
        pair = _pair(row.values())
        if pair is None:
            problems.append(f"line {line}: expected two different ids")
        else:
            pairs[line] = pair
    if problems:
        raise InputError(f"{path}: nothing was imported because of\n{format_problems(problems)}")
    return SamePatients(path, pairs)


def _pair(cells: Collection[object]) -> tuple[str, str] | None:
    """Return the two ids of a row, or None where it has others."""
    texts = [cleaned(cell) for cell in cells if isinstance(cell, str)]
    if len(texts) != len(cells) or len(texts) != 2 or not all(texts) or len(set(texts)) < 2:
        return None
    return texts[0], texts[1]
