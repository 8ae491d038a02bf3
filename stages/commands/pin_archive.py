"""Pin archives: write their paths and checksums into params.yaml, and change nothing else there."""

from collections.abc import Sequence

import yaml

from stages.commands import params_text
from stages.engine import keys
from stages.engine.errors import InvalidSettings, NotFound
from stages.engine.files import sha256_file
from stages.engine.root import from_root
from stages.network.options import with_pin
from stages.settings import params, paths, section
from stages.sources.archives import archive
from stages.sources.options import FetchOptions, lists_sources


def pin(path: str | None, name: str | None = None) -> str:
    """Make fetch read an archive, and notice when it changes.

    The source's table of labels belongs to it. The other params are checked as they will be, before
    the archive is read: they may lack nothing but what is written here.

    Args:
        path: A zip, tar, tar.gz or folder; None: each archive that params name.
        name: The source in fetch.sources that it is of; None: the only one, or each.

    Returns:
        What was written, as text.

    Raises:
        InputError: The archive can't be used, params have no such source, or another param is
            invalid.
    """
    fetch = keys.get(section.read(), "fetch")  # says what is wrong where it is no YAML
    if lists_sources(fetch):
        lines = [_pin(("fetch", "sources", number), path) for number in _choose(path, name)]
    elif name is not None:
        raise InvalidSettings(
            f"{paths.PARAMS}: expected no --source, since fetch has no list of sources, received "
            f"{name!r}"
        )
    elif path is None and not _path_of_the_only(params.load()):
        raise InvalidSettings(f"{paths.PARAMS}: fetch.path names no archive; give its path")
    else:
        lines = [_pin(("fetch",), path)]
    return "\n".join([*lines, "now run `dvc repro`"])


def _path_of_the_only(loaded: params.Params) -> str | None:
    return loaded.fetch.path if isinstance(loaded.fetch, FetchOptions) else None


def _choose(path: str | None, name: str | None) -> list[int]:
    """Return the numbers of the archives in the list of sources that are to be pinned."""
    listed = params.load().fetch.listed
    archives = {number: each.name for number, each in enumerate(listed) if each.kind == "archive"}
    chosen = [number for number, each in archives.items() if name in (None, each)]
    if not chosen or (path is not None and len(chosen) > 1):
        raise InvalidSettings(
            f"{paths.PARAMS}: expected --source with the name of an archive in fetch.sources "
            f"({', '.join(archives.values()) or 'none'}), received {name or 'none'}"
        )
    return chosen


def _pin(place: Sequence[str | int], path: str | None) -> str:
    """Pin the archive of the source at `place`; return what was written."""
    text = params_text.read()
    if len(place) == 1:
        text = params_text.with_values(text, place, {"source": "archive"})
    if path is not None:
        text = params_text.with_values(text, place, {"path": path})
    completed = params.check(yaml.safe_load(text))
    source = completed.fetch.listed[place[-1] if isinstance(place[-1], int) else 0]
    table = from_root(source.labels) if source.labels else None
    given = from_root(source.path or "")
    found = archive.scan(given, table=table, classes=completed.task.classes)
    params_text.write(params_text.with_values(text, place, {"sha256": found.sha256}))
    described = f" with {source.labels}" if source.labels else ""
    merged = f"\nwarning: {found.merged_patients}" if found.merged_patients else ""
    reader = "fetch" if len(place) == 1 else f"source {source.name!r}"
    return (
        f"{paths.PARAMS}: {reader} reads {source.path}{described}, {len(found.images):,} images, "
        f"sha256 {found.sha256}{merged}"
    )


def pin_weights(path: str) -> str:
    """Make train start from the file of weights at `path`, and stop when it changes.

    Returns:
        What was written, as text.

    Raises:
        InputError: There is no such file, or train.network takes no weights.
    """
    file = from_root(path)
    if not file.is_file():
        raise NotFound(f"{path}: expected a file of weights, found none")
    sha256 = sha256_file(file)
    section.read()
    text = params_text.read()
    params_text.write(
        params_text.with_values(text, ("train",), {"weights": with_pin(path, sha256)})
    )
    return f"{paths.PARAMS}: train starts from {path}, sha256 {sha256}; now run `dvc repro`"
