"""Open the source that params name: the place where a new source is added."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from stages.engine.root import from_root
from stages.sources import hash_key, kermany
from stages.sources.anonymise import anonymise, anonymise_source
from stages.sources.archives import archive
from stages.sources.options import FetchOptions
from stages.sources.phantom import generate
from stages.sources.received import ReceivedImage, Source


def open_source(
    options: FetchOptions,
    folder: Path,
    *,
    classes: tuple[str, str] | None = None,
    body_part: str | None = None,
) -> tuple[Iterator[ReceivedImage], Source]:
    """Open the source `options.source`.

    A new source needs a module with a function that returns what this one does, its name in
    `options.SourceName`, a case here and a word in params.yaml.

    Args:
        options: The section `fetch` of params.
        folder: The raw folder that is being written, on the disk where images will go. A source
            may write files of its own there.
        classes: The words for 0 and 1 in a table of labels that params state, if any.
        body_part: What DICOM images should show, if params state it; else the source may.

    Returns:
        The images in the order of their paths, read as the iterator advances, without what
        identifies a person; and where they come from.

    Raises:
        InputError: The source is missing, damaged or not the pinned one. The iterator raises it
            too, where an image can't be read.
    """
    key = hash_key.of_params(options.hash_names)  # before any work
    images: Iterator[ReceivedImage]
    match options.source:
        case "phantom":
            images, source = generate.receive(options.phantom, folder)
        case "kermany":
            images, source = kermany.receive(options.url, options.sha256, scratch=folder)
        case "archive":
            images, source = archive.receive(
                from_root(options.path or ""),
                options.sha256,
                table=from_root(options.labels) if options.labels else None,
                classes=classes,
                scratch=folder,
            )
        case _:
            assert_never(options.source)
    if body_part is not None:
        source = replace(source, task={**source.task, "body_part": body_part})
    return anonymise(images, key), anonymise_source(source, key)
