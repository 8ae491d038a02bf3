"""Dotted keys, such as "train.augment.flip", into nested mappings like params.yaml."""

from collections.abc import Mapping
from typing import Any


def get(tree: Any, key: str) -> Any:
    """Return the value at `key`, or None where there is none."""
    for name in key.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def assign(tree: Any, key: str, value: Any) -> None:
    """Set the value at `key` in place.

    Raises:
        KeyError: `tree` has no such key.
    """
    *above, last = key.split(".")
    section = get(tree, ".".join(above)) if above else tree
    if not isinstance(section, dict) or last not in section:
        raise KeyError(key)
    section[last] = value


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are no mappings by dotted key: {"a": {"b": 1}} gives {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": inner for key, inner in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the dotted keys whose values differ between two trees, sorted, with both values.

    A key that one of the trees doesn't have counts as None there.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted(before.keys() | after.keys()):
        had, has = before.get(name), after.get(name)
        if isinstance(had, Mapping) and isinstance(has, Mapping):
            found |= {f"{name}.{key}": pair for key, pair in differences(had, has).items()}
        elif had != has:
            found[name] = (had, has)
    return found
