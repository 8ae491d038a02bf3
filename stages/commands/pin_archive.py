"""Pin an archive: write its path and checksum into params.yaml, and change nothing else there."""

import re
from collections.abc import Mapping

import yaml

from stages.engine.errors import InvalidSettings, NotFound
from stages.engine.files import sha256_file, write_text
from stages.engine.root import from_root
from stages.network.options import with_pin
from stages.settings import params, paths, section
from stages.sources.archives import archive


def pin(path: str) -> str:
    """Make fetch read the archive at `path`, and notice when it changes.

    The table of fetch.labels belongs to it. The other params are checked as they will be, before
    the archive is read: they may lack nothing but what is written here.

    Args:
        path: A zip, tar, tar.gz or folder.

    Returns:
        What was written, as text.

    Raises:
        InputError: The archive can't be used, or another param is invalid.
    """
    section.read()  # says what is wrong where it is no YAML
    text = paths.PARAMS.read_bytes().decode()  # with the line ends that it has
    text = with_values(text, "fetch", {"source": "archive", "path": path})
    completed = params.check(yaml.safe_load(text))
    labels = completed.fetch.labels
    table = from_root(labels) if labels else None
    found = archive.scan(from_root(path), table=table, classes=completed.task.classes)
    _write(with_values(text, "fetch", {"sha256": found.sha256}))
    described = f" with {labels}" if labels else ""
    merged = f"\nwarning: {found.merged_patients}" if found.merged_patients else ""
    return (
        f"{paths.PARAMS}: fetch reads {path}{described}, {len(found.images):,} images, sha256 "
        f"{found.sha256}; now run `dvc repro`{merged}"
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
    text = paths.PARAMS.read_bytes().decode()
    _write(with_values(text, "train", {"weights": with_pin(path, sha256)}))
    return f"{paths.PARAMS}: train starts from {path}, sha256 {sha256}; now run `dvc repro`"


def _write(text: str) -> None:
    """Write params.yaml. InvalidSettings where it would not be valid."""
    params.check(yaml.safe_load(text))
    write_text(paths.PARAMS, text)


def with_values(text: str, section: str, values: Mapping[str, str]) -> str:
    """Return a YAML text with other values of some keys of a section.

    Every other character stays, and so do the columns of comments if there is space. (ruamel.yaml
    writes `null` as nothing, `TRUE` as `true`, and lists and line ends its own way.)

    Raises:
        InvalidSettings: The section has no such key.
    """
    for key, value in values.items():
        node = _find(_find(yaml.compose(text), section), key)
        if node is None:
            raise InvalidSettings(f"{paths.PARAMS}: {section}.{key}: the key is missing; add it")
        text = _replaced(text, node, value)
    return text


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    written = yaml.safe_dump(value, width=10**6, allow_unicode=True)
    written = written.removesuffix("\n...\n").strip()
    space = " " if text[start - 1] == ":" else ""
    block = re.search(r"\r?\n\Z", text[start:end])  # a folded text ends with its line
    line_end = block[0] if block else ""
    after = text[end:]
    if gap := re.match(" +(?=#)", after):
        width = len(gap[0]) + end - start - len(written)
        after = " " * max(2, width) + after[len(gap[0]) :]
    return f"{text[:start]}{space}{written}{line_end}{after}"


def _find(tree: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(tree, yaml.MappingNode):
        return None
    return next((value for name, value in tree.value if name.value == key), None)
