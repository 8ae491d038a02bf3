"""Figures by role, as validation.json and metrics.json hold them."""

from collections.abc import Mapping
from typing import Any

FIGURES = ("model/validation.json", "report/metrics.json")
"""Paths of these files in a run."""

CHARTED = (
    "auroc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "brier",
    "log_loss",
    "ece",
)
"""The figures of each role that become metrics, of each of which MLflow draws a chart.

With all figures there would be more than 600 charts; `figures.html` has all of them, and the
intervals.
"""


def charted(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the CHARTED figures of each role as metrics, such as "test/auroc"."""
    return {
        f"{role}/{name}": float(of_role[name]["value"])
        for role, of_role in figures.items()
        for name in CHARTED
        if name in of_role
    }


def find_figure(figures: Mapping[str, Any], path: str) -> dict[str, float] | None:
    """Return {"value", "low", "high"} of a path such as "test/auroc", or None."""
    found: Any = figures
    for key in path.split("/"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not {"value", "low", "high"} <= set(found):
        return None
    return {bound: float(found[bound]) for bound in ("value", "low", "high")}
