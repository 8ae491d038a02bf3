"""Explain paths of a table that nearly fit an archive: which file may be meant, and what differs.

Nothing is matched by such a guess. It only makes the message useful that refuses the two.
"""

import contextlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from urllib.parse import unquote

from stages.sources.patient_ids import cleaned, folded

IMAGE_SUFFIXES = frozenset(
    (".jpeg", ".jpg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".dcm", ".dicom")
)
"""Suffixes, in small letters, of files that are images whatever is in them."""

_START = re.compile(r"(?:file:/*)?(?:[A-Za-z]:)?/+|(?:file:)?[A-Za-z]:")
"""Start of an absolute path whose separators are slashes: `/`, `C:/`, `//server/`, `file:///`."""


class NearMisses:
    """Rows without an image and images without a row, compared by names that nearly agree.

    Args:
        rows: Paths in the table that the archive hasn't.
        images: Paths in the archive that the table hasn't.
    """

    def __init__(self, rows: Iterable[str], images: Iterable[str]) -> None:
        self._rows = _by_key(rows)
        self._images = _by_key(images)

    def of_image(self, image: str) -> str:
        """Return the row that nearly fits and why it doesn't, in brackets; "" if none does."""
        return _named("row", {row: difference(row, image) for row in self._rows[_key(image)]})

    def of_row(self, row: str) -> str:
        """Return the image that nearly fits and why it doesn't, in brackets; "" if none does."""
        return _named("image", {each: difference(row, each) for each in self._images[_key(row)]})


def difference(row: str, image: str) -> str | None:
    """Return how a table's path differs from an image's, None if their folders do.

    The file names are alike: they have one `_key`.
    """
    path, reasons = row, []
    if "\\" in path:
        path = path.replace("\\", "/")
        reasons.append("it has backslashes instead of slashes")
    if unquote(path) != path and path != image:
        path = unquote(path)
        reasons.append("it has URL escapes")
    if start := _START.match(path):
        path = path[start.end() :]
        reasons.append("it is absolute instead of relative to the archive")
    if (repaired := _repaired(path)) != path:
        path = repaired
        reasons.append("it is UTF-8 that was read in another encoding")
    if (repaired := _repaired(image)) != image:
        image = repaired
        reasons.append("the archive's names are UTF-8 that was packed as another encoding")
    table, archive = PurePosixPath(path).parts, PurePosixPath(image).parts
    common = min(len(table), len(archive))
    folders = [[_alike(part) for part in parts[-common:-1]] for parts in (table, archive)]
    if not common or folders[0] != folders[1]:
        return None
    if len(table) > common and not start:
        reasons.append(f"it has the folder '{'/'.join(table[:-common])}/' in front")
    if len(archive) > common:
        reasons.append(f"it lacks the folder '{'/'.join(archive[:-common])}/' in front")
    names = ["/".join(parts[-common:]) for parts in (table, archive)]
    suffixes = list(map(_suffix, names))
    if suffixes[0].lower() != suffixes[1].lower():
        received, expected = (suffix or "no suffix" for suffix in suffixes)
        reasons.append(f"it has {received} instead of {expected}")
        names = list(map(_without_suffix, names))
    return "; ".join([*reasons, *_letters(*names)])


def _letters(table: str, archive: str) -> list[str]:
    """Return how two names differ that `_alike` makes equal."""
    if table == archive:
        return []
    if cleaned(table) == cleaned(archive):
        return ["it differs in spaces or invisible characters"]
    if table.casefold() == archive.casefold():
        return ["it differs in case"]
    return ["it differs in case, width or style of characters"]


def _named(kind: str, differences: Mapping[str, str | None]) -> str:
    """Return the nearest of several paths in brackets, and how the table's path differs."""
    near = {path: reason for path, reason in differences.items() if reason is not None}
    if not near:
        if len(differences) != 1:  # many folders have a file of that name
            return ""
        (path,) = differences
        return f" (nearest {kind}: {path!r}, in another folder)"
    path = min(near, key=lambda each: (len(near[each]), each))
    others = f"; {len(near) - 1} others are as near" if len(near) > 1 else ""
    return f" (nearest {kind}: {path!r}; the table's path differs: {near[path]}{others})"


def _by_key(paths: Iterable[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found[_key(path)].append(path)
    return found


def _key(path: str) -> str:
    """Return a key that is equal for paths whose file names may be meant to be the same."""
    path = _repaired(unquote(path.replace("\\", "/")))
    return _alike(_without_suffix(path).rpartition("/")[2])


def _repaired(name: str) -> str:
    """Return the name that was UTF-8 and was read as the old encoding of zip or Windows."""
    for encoding in () if name.isascii() else ("cp437", "cp1252"):
        with contextlib.suppress(UnicodeError):
            return unicodedata.normalize("NFC", name.encode(encoding).decode())
    return name


def _alike(name: str) -> str:
    return folded(cleaned(name))


def _without_suffix(path: str) -> str:
    return cleaned(path).removesuffix(_suffix(path))


def _suffix(path: str) -> str:
    suffix = PurePosixPath(cleaned(path)).suffix
    return suffix if suffix.lower() in IMAGE_SUFFIXES else ""
