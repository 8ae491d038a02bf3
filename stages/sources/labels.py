"""A table of facts that file names don't give: CSV, `path,label,patient[,split][,kind]`.

It works for any binary image data set. Paths are those in the archive. Images of one patient are
kept in one split. `split` is the source's own, given for every image or for none.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.engine.errors import InputError
from stages.sources.chest_tasks import CLASSES
from stages.sources.names import SPLITS, ImageFacts
from stages.sources.patient_ids import MergedPatients, cleaned, merged
from stages.sources.table_file import open_table, read_rows

_REQUIRED = ("path", "label", "patient")
_OPTIONAL = ("split", "kind")
_NUMBERS = {"0": 0, "1": 1}
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
        merged: Patients that the table spells in several ways; None if there are none.
        classes: The names that its labels give to 0 and 1; None where it has numbers only.
    """

    facts: Mapping[str, ImageFacts]
    merged: MergedPatients | None
    classes: tuple[str, str] | None


def read_labels(path: Path, classes: tuple[str, str] | None = None) -> Table:
    """Return the facts of each image in the table at `path`.

    Args:
        path: The CSV file.
        classes: The names of 0 and 1 that params state (task.classes), if any.

    Raises:
        InputError: The file is missing or is not such a table, or lines have missing, unknown or
            repeated values; the message lists the first 20 of them.
    """
    table = open_table(path, _REQUIRED, _OPTIONAL, key="fetch.labels")
    rows = list(read_rows(path, table))
    names = _names({_word(row["label"] or "") for _, row in rows}, classes)
    found, spellings, problems = _facts_of(rows, names)
    splits = {image.source_split for image in found.values()}
    if "" in splits and len(splits) > 1:
        problems.append("only some images have a split; give one for all or for none")
    if problems:
        raise InputError(f"{path}: nothing was imported because of\n{format_problems(problems)}")
    return Table(found, merged(spellings), names)


def format_problems(problems: Sequence[str]) -> str:
    """Return problems as indented lines, the first 20 of them and how many more there are."""
    hidden = len(problems) - _MAX_LISTED
    more = [f"... and {hidden} more"] if hidden > 0 else []
    return "\n".join(f"  {line}" for line in [*problems[:_MAX_LISTED], *more])


def _names(words: Collection[str], classes: tuple[str, str] | None) -> tuple[str, str] | None:
    """Return the names of 0 and 1 that a table uses; None where its labels are numbers.

    Those of params go first. A table with other words may call its classes normal and pneumonia,
    unless params give one of these words to the other class.
    """
    used = set(words) - set(_NUMBERS)
    swapped = any(
        _word(stated) == other
        for stated, other in zip(classes or (), reversed(CLASSES), strict=False)
    )
    allowed = [names for names in (classes, None if swapped else CLASSES) if names]
    fitting = [names for names in allowed if used <= set(map(_word, names))]
    if not used:
        return None
    return (fitting or allowed)[0]


def _word(name: str) -> str:
    """The form in which labels and names of classes are compared."""
    return cleaned(name).lower()


def _facts_of(
    rows: Sequence[tuple[int, Mapping[str, str]]], names: tuple[str, str] | None
) -> tuple[dict[str, ImageFacts], Mapping[str, set[str]], list[str]]:
    """Return the facts of each row that has them, all spellings of each patient, and problems."""
    words = {_word(name): label for label, name in enumerate(names or ())} | _NUMBERS
    found: dict[str, ImageFacts] = {}
    spellings: dict[str, set[str]] = defaultdict(set)
    problems = []
    for number, row in rows:
        line = f"line {number}"
        if None in row or None in row.values():
            problems.append(f"{line}: expected one field for each column, received more or fewer")
            continue
        path = normalised_path(row["path"])
        try:
            facts = _facts(row, words)
        except ValueError as error:
            problems.append(f"{line} ({row['path']!r}): {error}")
            continue
        if path in found:
            problems.append(f"{line}: {row['path']!r} has a row already; remove one")
        found[path] = facts
        spellings[facts.patient].add(row["patient"])
    return found, spellings, problems


def _facts(row: Mapping[str, str], words: Mapping[str, int]) -> ImageFacts:
    """Return the facts of one row; raise ValueError if one is missing or unknown.

    words: The labels by the words that stand for them, in lower case.
    """
    given = {column: cleaned(row.get(column, "")) for column in (*_REQUIRED, *_OPTIONAL)}
    if not given["path"]:
        raise ValueError("expected a path, received none")
    if not given["patient"]:
        raise ValueError("expected a patient, received none: images of one patient stay together")
    label = words.get(_word(given["label"]))
    if label is None:
        *most, last = words
        raise ValueError(
            f"expected the label {', '.join(most)} or {last}, received {given['label']!r} "
            "(task.classes in params.yaml gives a table its words for 0 and 1)"
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
