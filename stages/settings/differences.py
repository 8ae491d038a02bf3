"""Compare two trees of params."""

from typing import Any


def differences(before: Any, after: Any, key: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ between two trees of params, with both values."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return {} if before == after else {key: (before, after)}
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted(before.keys() | after.keys()):
        inner = f"{key}.{name}" if key else name
        found |= differences(before.get(name), after.get(name), inner)
    return found
