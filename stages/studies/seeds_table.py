"""Figures of one recipe trained with several seeds: mean and spread, beside each one's interval."""

import statistics
from collections.abc import Mapping
from typing import Any

from stages.metrics.pages.text import format_figure, markdown_table

TOLD = {
    "AUROC": ("auroc",),
    "Accuracy": ("decision", "accuracy"),
    "Sensitivity at decision": ("decision", "sensitivity"),
    "Specificity at decision": ("decision", "specificity"),
    "Specificity at screening sensitivity": ("screening", "specificity"),
    "Sensitivity at rule-in": ("rule_in", "sensitivity"),
    "Brier score": ("brier",),
    "ECE": ("ece",),
}
"""What is told of a role, and where it stands in its tree of figures."""


def shift_auroc(validation: Mapping[str, Any]) -> float | None:
    """Mean AUROC of the shift validations ("val_..."), by which the epoch was chosen.

    Of the saved model, hence of the kept epoch. None where there is no such role.
    """
    shifts = [tree["auroc"]["value"] for role, tree in validation.items() if role[:4] == "val_"]
    return statistics.fmean(shifts) if shifts else None


def figure(role: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The {"value", "low", "high"} at `path` in a role's tree, or None where it was left out."""
    found: Any = role
    for key in path:
        found = found.get(key) if found is not None else None
    return found


def spread_table(validations: Mapping[str, Mapping[str, Any]]) -> str:
    """Mean, standard deviation (of n - 1), least and greatest over the trainings, as Markdown,
    and each training's own figure with its interval.

    validations: figures by role (data/validation.json, and test) by the name of the training, one
    or more, all with the same roles. A figure that any of them leaves out has no mean.
    """
    names = list(validations)
    lines = []
    for role in next(iter(validations.values())):
        for name, path in TOLD.items():
            figures = [figure(tree[role], path) for tree in validations.values()]
            values = [one["value"] for one in figures if one is not None]
            whole = values if len(values) == len(figures) else []
            lines.append([role, name, *_spread(whole), *map(format_figure, figures)])
    shifts = [shift_auroc(tree) for tree in validations.values()]
    means = [value for value in shifts if value is not None]
    if means:
        lines.append(["shift", "mean AUROC", *_spread(means), *(f"{one:.3f}" for one in means)])
    return markdown_table(["Role", "Figure", "Mean", "SD", "Least", "Greatest", *names], lines)


def _spread(values: list[float]) -> list[str]:
    if not values:
        return ["undefined"] * 4
    deviation = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "one only"
    least, greatest = f"{min(values):.3f}", f"{max(values):.3f}"
    return [f"{statistics.fmean(values):.3f}", deviation, least, greatest]
