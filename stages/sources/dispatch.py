"""Open the sources that params name: the place where a new kind of source is added."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from stages.engine.errors import InputError
from stages.engine.root import from_root
from stages.sources import hash_key, kermany
from stages.sources.anonymise import anonymise, anonymise_source
from stages.sources.archives import archive
from stages.sources.options import FetchOptions, SeveralSources, SourceOptions
from stages.sources.phantom import generate
from stages.sources.received import NamedSource, ReceivedImage, Source


def open_sources(
    options: FetchOptions | SeveralSources,
    folder: Path,
    *,
    classes: tuple[str, str] | None = None,
    body_part: str | None = None,
) -> tuple[Iterator[ReceivedImage], list[NamedSource]]:
    """Open every source that params list, then read one after the other.

    Args:
        options: The section `fetch` of params.
        folder: As of `open_source`; the ground truth of phantoms is written there.
        classes: As of `open_source`.
        body_part: As of `open_source`.

    Returns:
        The images in the order of their paths, which start with the name of their source, like
        the ids of patients; and the sources in the order of params.

    Raises:
        InputError: As of `open_source`; of several sources, the message names the one.
    """
    listed = options.listed
    opened: dict[str, Iterator[ReceivedImage]] = {}
    sources = []
    for source in listed:
        label = f"source {source.name!r}: " if len(listed) > 1 else ""
        try:
            images, origin = open_source(source, folder, classes=classes, body_part=body_part)
        except InputError as error:
            raise InputError(f"{label}{error}") from None
        opened[f"{source.name}/"] = _named(images, source.name, label)
        sources.append(NamedSource(source.name, source.use, origin))
    chained: Iterator[ReceivedImage] = (image for name in sorted(opened) for image in opened[name])
    if any(source.kind == "phantom" for source in listed):
        chained = generate.keep_truth(folder, chained)
    return chained, sources


def _named(images: Iterable[ReceivedImage], name: str, label: str) -> Iterator[ReceivedImage]:
    """Yield images as those of the source `name`; an error starts with `label`."""
    try:
        for image in images:
            yield image.named(name)
    except InputError as error:
        raise InputError(f"{label}{error}") from None


def open_source(
    options: SourceOptions,
    folder: Path,
    *,
    classes: tuple[str, str] | None = None,
    body_part: str | None = None,
) -> tuple[Iterator[ReceivedImage], Source]:
    """Open a source of the kind `options.kind`.

    A new kind needs a module with a function that returns what this one does, its name in
    `options.SourceName`, a case here and a word in params.yaml.

    Args:
        options: The source's entry in params.
        folder: The raw folder that is being written, on the disk where images will go.
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
    match options.kind:
        case "phantom":
            assert options.phantom is not None  # SourceOptions refuses it
            images, source = generate.receive(options.phantom)
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
            assert_never(options.kind)
    if body_part is not None:
        source = replace(source, task={**source.task, "body_part": body_part})
    return anonymise(images, key), anonymise_source(source, key)
