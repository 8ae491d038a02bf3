"""A table of facts that file names don't give: CSV, `path,label,patient[,split][,kind]`.

It works for any binary image data set. Paths are those in the archive. Images of one patient are
kept in one split. `split` is the source's own, given for every image or for none.
"""

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.engine.classes import NORMAL, PNEUMONIA
from stages.engine.errors import InputError
from stages.sources.names import SPLITS, ImageFacts
from stages.sources.patient_ids import MergedPatients, cleaned, merged
from stages.sources.table_file import open_table

_REQUIRED = ("path", "label", "patient")
_OPTIONAL = ("split", "kind")
_LABELS = {NORMAL: 0, "0": 0, PNEUMONIA: 1, "1": 1}
_KINDS = {0: ("normal",), 1: ("", "bacterial", "viral")}
_MAX_LISTED = 20


def normalised_path(name: str) -> str:
    """Return a path in the form in which archive and table are compared.

    Systems encode `é` as one code point or two, and some start paths with `./`.
    """
    return unicodedata.normalize("NFC", str(PurePosixPath(name)))


@dataclass(frozen=True)
class Table:
    """What a table says.

    Attributes:
        facts: Of each image, by its path in the archive.
        merged: Patients whom the table spells in several ways; None if there are none.
    """

    facts: Mapping[str, ImageFacts]
    merged: MergedPatients | None


def read_labels(path: Path) -> Table:
    """Return the facts of each image in the table at `path`.

    Raises:
        InputError: The file is missing or is not such a table, or lines have missing, unknown or
            repeated values; the message lists the first 20 of them.
    """
    table = open_table(path, _REQUIRED, _OPTIONAL)
    try:
        found, spellings, problems = _rows(table)
    except csv.Error as error:
        raise InputError(
            f"{path}: line {table.line_num}: expected a CSV file, received another: {error}"
        ) from None
    splits = {image.source_split for image in found.values()}
    if "" in splits and len(splits) > 1:
        problems.append("only some images have a split; give one for all or for none")
    if problems:
        raise InputError(f"{path}: nothing was imported because of\n{format_problems(problems)}")
    return Table(found, merged(spellings))


def format_problems(problems: Sequence[str]) -> str:
    """Return problems as indented lines, the first 20 of them and how many more there are."""
    hidden = len(problems) - _MAX_LISTED
    more = [f"... and {hidden} more"] if hidden > 0 else []
    return "\n".join(f"  {line}" for line in [*problems[:_MAX_LISTED], *more])


def _rows(
    table: "csv.DictReader[str]",
) -> tuple[dict[str, ImageFacts], Mapping[str, set[str]], list[str]]:
    """Return the facts of each row that has them, all spellings of each patient, and problems."""
    found: dict[str, ImageFacts] = {}
    spellings: dict[str, set[str]] = defaultdict(set)
    problems = []
    for row in table:
        line = f"line {table.line_num}"
        if None in row or None in row.values():
            problems.append(f"{line}: expected one field for each column, received more or fewer")
            continue
        path = normalised_path(row["path"])
        try:
            facts = _facts(row)
        except ValueError as error:
            problems.append(f"{line} ({row['path']!r}): {error}")
            continue
        if path in found:
            problems.append(f"{line}: {row['path']!r} has a row already; remove one")
        found[path] = facts
        spellings[facts.patient].add(row["patient"])
    return found, spellings, problems


def _facts(row: Mapping[str, str]) -> ImageFacts:
    """Return the facts of one row; raise ValueError if one is missing or unknown."""
    given = {column: cleaned(row.get(column, "")) for column in (*_REQUIRED, *_OPTIONAL)}
    if not given["path"]:
        raise ValueError("expected a path, received none")
    if not given["patient"]:
        raise ValueError("expected a patient, received none: images of one patient stay together")
    label = _LABELS.get(given["label"].lower())
    if label is None:
        raise ValueError(
            f"expected the label normal, pneumonia, 0 or 1, received {given['label']!r}"
        )
    if given["split"] and given["split"] not in SPLITS:
        raise ValueError(
            f"expected the split train, val or test or none, received {given['split']!r}"
        )
    kind = given["kind"] or ("normal" if label == 0 else "")
    if kind not in _KINDS[label]:
        allowed = " or ".join(repr(each) for each in _KINDS[label])
        raise ValueError(f"expected the kind {allowed} for label {label}, received {kind!r}")
    split = SPLITS[given["split"]] if given["split"] else ""
    return ImageFacts(label, kind, given["patient"], given["patient"], split)
