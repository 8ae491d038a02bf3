"""Experiments as one table: what was changed, what came of it, failures included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.metrics.differences import SHIFT
from stages.metrics.intervals import Figure
from stages.metrics.pages.text import format_difference, format_figure, markdown_table
from stages.studies.seeds_table import figure, shift_auroc

_POINT = ("screening", "specificity")


@dataclass(frozen=True)
class Row:
    """One experiment. validation: its data/validation.json, None where it has none, and then
    `state` says why. cost: of training, in words. difference: from the baseline, paired."""

    date: str
    name: str
    change: str
    validation: Mapping[str, Any] | None
    state: str
    cost: str
    difference: Mapping[str, Figure] | None = None


def ablation_table(rows: Sequence[Row]) -> str:
    """The rows as Markdown: AUROC and specificity at screening sensitivity on every validation
    role that any row has, the mean AUROC of the shift validations, and the cost."""
    roles = list(dict.fromkeys(role for row in rows for role in row.validation or {}))
    compared = any(row.difference for row in rows)
    header = ["Date", "Experiment", "Change", SHIFT]
    header += [f"{SHIFT} against the first row"] if compared else []
    header += [f"AUROC, {role}" for role in roles]
    header += [f"Specificity at screening, {role}" for role in roles]
    return markdown_table([*header, "Training"], [_cells(row, roles, compared) for row in rows])


def _cells(row: Row, roles: Sequence[str], compared: bool) -> list[str]:
    cells = [row.date, row.name, row.change]
    if row.validation is None:
        blanks = [""] * (2 * len(roles) + compared)
        return [*cells, _plain(row.state or "no figures"), *blanks, row.cost]
    shift = shift_auroc(row.validation)
    cells.append("" if shift is None else f"{shift:.3f}")
    if compared:
        cells.append(format_difference((row.difference or {}).get(SHIFT)))
    for path in (("auroc",), _POINT):
        for role in roles:
            tree = row.validation.get(role)
            cells.append("no such role" if tree is None else format_figure(figure(tree, path)))
    return [*cells, row.cost]


def _plain(text: str) -> str:
    """Text that stays in one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "/")
