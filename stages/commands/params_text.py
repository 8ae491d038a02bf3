"""The text of params.yaml with other values: comments, order and everything else stay."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from stages.engine.errors import InvalidSettings
from stages.engine.files import write_text
from stages.settings import params, paths


def read() -> str:
    """Return the text of params.yaml, with the line ends that it has."""
    return paths.PARAMS.read_bytes().decode()


def write(text: str) -> None:
    """Write params.yaml. InvalidSettings where it would not be valid."""
    params.check(yaml.safe_load(text))
    write_text(paths.PARAMS, text)


def with_values(text: str, place: Sequence[str | int], values: Mapping[str, Any]) -> str:
    """Return a YAML text with other values of some keys of the mapping at `place`.

    Every other character stays, and so do the columns of comments if there is space. (ruamel.yaml
    writes `null` as nothing, `TRUE` as `true`, and lists and line ends its own way.)

    Raises:
        InvalidSettings: The mapping has no such key.
    """
    for key, value in values.items():
        node = yaml.compose(text)
        for step in (*place, key):
            node = _find(node, step)
        if node is None:
            above = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
            raise InvalidSettings(
                f"{paths.PARAMS}: {above.removeprefix('.')}.{key}: the key is missing; add "
                f"`{key}: null`, in which the value is written"
            )
        text = _replaced(text, node, value)
    return text


def as_yaml(value: Any) -> str:
    """Return a value as YAML of one line; a list in brackets."""
    written = yaml.safe_dump(value, width=10**6, allow_unicode=True, default_flow_style=True)
    return written.removesuffix("\n...\n").strip()


def _replaced(text: str, node: yaml.Node, value: Any) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    written = as_yaml(value)
    space = " " if text[start - 1] == ":" else ""
    block = re.search(r"\r?\n\Z", text[start:end])  # a folded text ends with its line
    line_end = block[0] if block else ""
    after = text[end:]
    if gap := re.match(" +(?=#)", after):
        width = len(gap[0]) + end - start - len(written)
        after = " " * max(2, width) + after[len(gap[0]) :]
    return f"{text[:start]}{space}{written}{line_end}{after}"


def _find(tree: yaml.Node | None, key: str | int) -> yaml.Node | None:
    found: Iterable[tuple[str | int, yaml.Node]] = ()
    if isinstance(tree, yaml.MappingNode):
        found = ((name.value, value) for name, value in tree.value)
    elif isinstance(tree, yaml.SequenceNode):
        found = enumerate(tree.value)
    return next((value for name, value in found if name == key), None)
