"""Checks of single values, for the dataclasses that hold params.

Each returns nothing and raises InputError, naming the key, what was expected and what came.
"""

from collections.abc import Collection
from typing import Any

from stages.engine.errors import InputError


def refuse(key: str, expected: str, received: Any) -> InputError:
    """The error for a param: `raise refuse("train.epochs", "an integer from 1", 0)`."""
    hint = ""
    if isinstance(received, str) and _reads_as_number(received):
        hint = ", which YAML takes for text: write a number with a point and no quotes, as 1.0e-3"
    return InputError(f"params.yaml: {key}: expected {expected}, received {received!r}{hint}")


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def between(key: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside low to high, both included; NaN is outside everything."""
    if not low <= value <= high:
        raise refuse(key, f"a number from {low:g} to {high:g}", value)


def at_least(key: str, value: float, low: float) -> None:
    """Refuse a number under `low`, and NaN and infinity."""
    if not low <= value < float("inf"):
        raise refuse(key, f"a number from {low:g}", value)


def one_of(key: str, value: Any, choices: Collection[Any]) -> None:
    """Refuse a value that is not among `choices`."""
    if value not in choices:
        raise refuse(key, f"one of {', '.join(map(repr, choices))}", value)


def ordered(key: str, pair: tuple[float, ...], low: float, high: float) -> None:
    """Refuse anything but a pair (a, b) with low <= a <= b <= high."""
    if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
        raise refuse(key, f"a pair [a, b] with {low:g} <= a <= b <= {high:g}", list(pair))
