"""Pins an archive: its path and checksum go into params.yaml, and nothing else there moves."""

import re
from collections.abc import Mapping

import yaml

from stages.engine.errors import InputError
from stages.engine.files import write_text
from stages.engine.root import from_root
from stages.settings import params, paths
from stages.sources.archives import archive


def pin(path: str) -> str:
    """Have fetch read the archive at `path`, with the table that fetch.labels names, if any, and
    notice when either changes. Returns what was done, as text.

    Raises InputError where the archive is refused.
    """
    labels = params.load().fetch.labels
    looked = archive.scan(from_root(path), table=from_root(labels) if labels else None)
    written = {"source": "archive", "path": path, "sha256": looked.sha256}
    text = paths.PARAMS.read_text(encoding="utf-8")
    write_text(paths.PARAMS, with_values(text, "fetch", written))
    params.load()
    of = f" with {labels}" if labels else ""
    return (
        f"{paths.PARAMS}: fetch reads {path}{of}, {len(looked.images):,} images, sha256 "
        f"{looked.sha256}; now run `dvc repro`"
    )


def with_values(text: str, section: str, values: Mapping[str, str]) -> str:
    """A YAML text with other values of some keys of a section; comments and all else stay.

    Raises InputError where a key is not there.
    """
    for key, value in values.items():
        found = _find(_find(yaml.compose(text), section), key)
        if found is None:
            raise InputError(f"{paths.PARAMS}: expected the key {section}.{key}, found none")
        said = (
            yaml.safe_dump(value, width=10**6, allow_unicode=True).removesuffix("\n...\n").strip()
        )
        start, end = found.start_mark.index, found.end_mark.index
        space = " " if text[start - 1] == ":" else ""
        line_end = "\n" if text[start:end].endswith("\n") else ""  # of a value in a block
        after = text[end:]
        if comment := re.match(" +(?=#)", after):  # stays in its column, if there is room
            wide = len(comment[0]) + end - start - len(said)
            after = " " * max(2, wide) + after[len(comment[0]) :]
        text = f"{text[:start]}{space}{said}{line_end}{after}"
    return text


def _find(tree: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(tree, yaml.MappingNode):
        return None
    return next((value for name, value in tree.value if name.value == key), None)
