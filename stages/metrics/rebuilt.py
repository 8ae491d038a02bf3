"""How far the figures of a rebuild are from those on record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stages.metrics.results import HEADLINES


@dataclass(frozen=True)
class Moved:
    """A figure that is another in the rebuild, and its interval on record."""

    name: str
    recorded: float
    low: float
    high: float
    rebuilt: float

    @property
    def headline(self) -> bool:
        """Whether it is a role's own figure, as `pneumonia results` has it, and no finer one."""
        return self.name.count(".") == 1 and self.name.partition(".")[2] in HEADLINES

    @property
    def within(self) -> bool:
        """Whether the rebuilt value lies in the recorded interval."""
        return self.low <= self.rebuilt <= self.high


def moved(recorded: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> tuple[int, list[Moved]]:
    """How many figures both have, and those that differ, by their path with dots between."""
    then, now = dict(_figures(recorded, "")), dict(_figures(rebuilt, ""))
    both = [name for name in then if name in now]
    found = [
        Moved(name, then[name]["value"], then[name]["low"], then[name]["high"], now[name]["value"])
        for name in both
        if then[name]["value"] != now[name]["value"]
    ]
    return len(both), found


def _figures(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    if {"value", "low", "high"} <= tree.keys():
        if None not in (tree["value"], tree["low"], tree["high"]):
            yield path, tree
        return
    for key, inner in tree.items():
        if isinstance(inner, Mapping):
            yield from _figures(inner, f"{path}.{key}" if path else key)
