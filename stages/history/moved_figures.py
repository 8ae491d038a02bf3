"""Compare the figures of a rebuild with those on record."""

from dataclasses import dataclass

from stages.metrics.pages.titles import HEADLINES
from stages.metrics.trees import RoleFigures, walk_figures

Interval = tuple[float, float, float]
"""A value with the lower and upper bound of its interval."""


@dataclass(frozen=True)
class MovedFigure:
    """A figure whose value differs. name: its keys with dots between, such as "test.auroc"."""

    name: str
    recorded: Interval
    rebuilt: Interval

    @property
    def difference(self) -> float:
        """The rebuilt value minus the recorded one."""
        return self.rebuilt[0] - self.recorded[0]

    @property
    def headline(self) -> bool:
        """Whether `pneumonia results` prints it: a role's own figure, not one of its details."""
        return self.name.count(".") == 1 and self.name.partition(".")[2] in HEADLINES

    @property
    def overlap(self) -> bool:
        """Whether the two intervals have a value in common."""
        return self.recorded[1] <= self.rebuilt[2] and self.rebuilt[1] <= self.recorded[2]


def compare_figures(recorded: RoleFigures, rebuilt: RoleFigures) -> tuple[int, list[MovedFigure]]:
    """Return how many figures both have, and those that differ.

    Args:
        recorded: Figures by role, nested, as in metrics.json and validation.json.
        rebuilt: Likewise.
    """
    then, now = _by_name(recorded), _by_name(rebuilt)
    common = [name for name in then if name in now]
    moved = [
        MovedFigure(name, then[name], now[name]) for name in common if then[name][0] != now[name][0]
    ]
    return len(common), moved


def _by_name(figures: RoleFigures) -> dict[str, Interval]:
    return {
        ".".join(keys): (figure["value"], figure["low"], figure["high"])
        for keys, figure in walk_figures(figures)
    }
