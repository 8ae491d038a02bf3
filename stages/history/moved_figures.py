"""How far the figures of a rebuild are from those on record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stages.metrics.pages.tables import HEADLINES


@dataclass(frozen=True)
class Moved:
    """A figure that is another in the rebuild; (value, low, high) on record and rebuilt."""

    name: str
    recorded: tuple[float, float, float]
    rebuilt: tuple[float, float, float]

    @property
    def difference(self) -> float:
        """The rebuilt value less the recorded one."""
        return self.rebuilt[0] - self.recorded[0]

    @property
    def headline(self) -> bool:
        """Whether it is a role's own figure, as `pneumonia results` has it, and no finer one."""
        return self.name.count(".") == 1 and self.name.partition(".")[2] in HEADLINES

    @property
    def overlap(self) -> bool:
        """Whether the recorded and the rebuilt interval have a value in common."""
        return self.recorded[1] <= self.rebuilt[2] and self.rebuilt[1] <= self.recorded[2]


def moved(recorded: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> tuple[int, list[Moved]]:
    """How many figures both have, and those that differ, by their path with dots between."""
    then, now = dict(_figures(recorded, "")), dict(_figures(rebuilt, ""))
    both = [name for name in then if name in now]
    found = [
        Moved(name, _with_interval(then[name]), _with_interval(now[name]))
        for name in both
        if then[name]["value"] != now[name]["value"]
    ]
    return len(both), found


def _with_interval(figure: Mapping[str, float]) -> tuple[float, float, float]:
    return figure["value"], figure["low"], figure["high"]


def _figures(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    if {"value", "low", "high"} <= tree.keys():
        if None not in (tree["value"], tree["low"], tree["high"]):
            yield path, tree
        return
    for key, inner in tree.items():
        if isinstance(inner, Mapping):
            yield from _figures(inner, f"{path}.{key}" if path else key)
