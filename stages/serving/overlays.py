"""Files of overlays: a name for each image of a call, and none that overwrites another file."""

from collections.abc import Sequence
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.printable import printable

_MOST_CHARACTERS = 60
"""Of a name's stem that are kept; file systems allow 255 bytes, and a character has up to four."""


def plan(folder: Path, images: Sequence[Path]) -> list[Path]:
    """Return the file for the overlay of each image, `<folder>/<its name without suffix>.png`.

    Where several images of the call have the same name, each but the first gets its number in the
    call as well. Names that differ in case alone count as the same.

    Raises:
        InputError: One of the files exists, or `folder` is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for overlays, found a file")
    taken: set[str] = set()
    files = []
    for number, image in enumerate(images, start=1):
        stem = image.stem[:_MOST_CHARACTERS]
        name = stem
        while name.casefold() in taken:
            name = f"{name}-{number}"
        taken.add(name.casefold())
        files.append(folder / f"{name}.png")
    present = [file for file in files if file.exists()]
    if present:
        raise InputError(
            f"{printable(str(present[0]))}: expected no such file, found one "
            f"({len(present)} of {len(files)} overlays would overwrite files); give another "
            "folder, or remove them"
        )
    return files
