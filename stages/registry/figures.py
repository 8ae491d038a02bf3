"""Figures by role, as validation.json and metrics.json hold them."""

from stages.metrics.pages.titles import CHARTED
from stages.metrics.trees import RoleFigures, find_figure

FIGURES = ("model/validation.json", "report/metrics.json")
"""Paths of these files in a run."""


def charted(figures: RoleFigures) -> dict[str, float]:
    """Return the CHARTED figures of each role as metrics, without intervals, by "role/name"."""
    return {
        f"{role}/{name}": figure["value"]
        for role, tree in figures.items()
        for name in CHARTED
        if (figure := find_figure(tree, name)) is not None
    }
