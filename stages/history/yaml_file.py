"""Reads the YAML files that DVC and users write."""

from typing import Any

import yaml

from stages.engine.errors import InputError

# libyaml's reader is eight times as fast; wheels of PyYAML have it, builds from source may not.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_mapping(text: str, name: str) -> dict[str, Any]:
    """Parse YAML whose top level is a mapping.

    Args:
        text: The content of a file.
        name: The file's name for messages.

    Raises:
        InputError: It is no YAML, or no mapping, as where a file was cut off.
    """
    try:
        tree = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise InputError(f"{name}: expected YAML, received something else ({problem})") from None
    if not isinstance(tree, dict):
        received = "an empty file" if tree is None else f"{type(tree).__name__} {str(tree)[:40]!r}"
        raise InputError(f"{name}: expected a mapping of keys to values, received {received}")
    return tree
