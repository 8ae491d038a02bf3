"""A table that says what file names don't: `path,label,patient[,split][,kind]`, as CSV.

It works for any binary image data set. Paths are those in the archive; a patient's images are kept
together; `split` is the source's own (train, val or test) for every image or for none.
"""

import csv
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from stages.engine.classes import NORMAL, PNEUMONIA
from stages.engine.errors import InputError
from stages.sources.names import SPLITS, ImageName

REQUIRED = ("path", "label", "patient")
OPTIONAL = ("split", "kind")
_LABELS = {NORMAL: 0, "0": 0, PNEUMONIA: 1, "1": 1}
_KINDS = {0: ("normal",), 1: ("", "bacterial", "viral")}
_SHOWN = 20


def normal_path(name: str) -> str:
    """A path in the one form in which archive and table are compared: systems write `é` in two
    ways, and some begin paths with `./`."""
    return unicodedata.normalize("NFC", str(PurePosixPath(name)))


def read(path: Path) -> dict[str, ImageName]:
    """What the table at `path` says of each image, by its path in the archive.

    Raises InputError that names each line (20 at most) with a value that is missing or unknown, a
    path that comes twice, or a table that is none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            table = csv.DictReader(handle, strict=True)
            _check_columns(path, table.fieldnames or [])
            found, problems = _rows(table)
    except FileNotFoundError:
        raise InputError(
            f"fetch.labels: expected a table, found no file at {path}; give its path, absolute or "
            "relative to the repository's root"
        ) from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{path}: expected a table in CSV and UTF-8, received: {error}") from None
    splits = {image.source_split for image in found.values()}
    if "" in splits and len(splits) > 1:
        problems.append("a split is given for some images and not for others: give all or none")
    if problems:
        raise InputError(f"{path}: nothing was taken by it, because of\n{listed(problems)}")
    return found


def listed(problems: list[str]) -> str:
    """Problems as indented lines, the first 20 of them."""
    more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return "\n".join(f"  {line}" for line in [*problems[:_SHOWN], *more])


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    known = (*REQUIRED, *OPTIONAL)
    if not set(REQUIRED) <= set(columns) <= set(known) or len(set(columns)) < len(columns):
        raise InputError(
            f"{path}: expected the columns {','.join(REQUIRED)}[,split][,kind], received "
            f"{','.join(columns) or 'an empty file'}"
        )


def _rows(table: "csv.DictReader[str]") -> tuple[dict[str, ImageName], list[str]]:
    found: dict[str, ImageName] = {}
    problems = []
    for row in table:
        where = f"line {table.line_num}"
        if None in row or None in row.values():
            problems.append(f"{where}: more or fewer fields than columns")
            continue
        name = normal_path(row["path"])
        try:
            image = _image(row)
        except ValueError as error:
            problems.append(f"{where} ({row['path']!r}): {error}")
            continue
        if name in found:
            problems.append(f"{where}: {row['path']!r} comes twice")
        found[name] = image
    return found, problems


def _image(row: Mapping[str, str]) -> ImageName:
    """One row. Raises ValueError with what is wrong in it."""
    said = {column: row.get(column, "").strip() for column in (*REQUIRED, *OPTIONAL)}
    if not said["path"]:
        raise ValueError("expected a path, received none")
    if not said["patient"]:
        raise ValueError("expected a patient, received none: images of one patient stay together")
    label = _LABELS.get(said["label"].lower())
    if label is None:
        raise ValueError(f"expected a label normal, pneumonia, 0 or 1, received {said['label']!r}")
    if said["split"] and said["split"] not in SPLITS:
        raise ValueError(f"expected a split train, val, test or none, received {said['split']!r}")
    kind = said["kind"] or ("normal" if label == 0 else "")
    if kind not in _KINDS[label]:
        known = " or ".join(repr(each) for each in _KINDS[label])
        raise ValueError(f"expected for label {label} the kind {known}, received {kind!r}")
    split = SPLITS[said["split"]] if said["split"] else ""
    return ImageName(label, kind, said["patient"], said["patient"], split)
