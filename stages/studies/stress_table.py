"""How far a frozen model's figures move when the acquisition of its images changes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats
from stages.metrics import scores
from stages.metrics.intervals import Figure, Score, resample
from stages.metrics.options import FigureOptions
from stages.metrics.pages.tables import NAMES
from stages.metrics.pages.text import format_difference, format_figure, markdown_table
from stages.metrics.report import plain
from stages.metrics.scores import Counts

UNCHANGED = "as they are"
AFFECTED = ("all images", "normals only", "pneumonia only")
_TOLD = ("auroc", "sensitivity", "specificity")


@dataclass(frozen=True)
class Row:
    """One variant on one group of images: `figures` and their paired `shift` against the images as
    they are, both by the names "auroc", "sensitivity", "specificity"."""

    variant: str
    affected: str
    figures: Mapping[str, Figure]
    shift: Mapping[str, Figure]


def rows(
    records: pd.DataFrame,
    unchanged: Floats,
    changed: Mapping[str, Floats],
    threshold: float,
    options: FigureOptions,
) -> list[Row]:
    """Figures with intervals, the unchanged images first, then each variant on each of AFFECTED.

    records: the images (N). unchanged: their probabilities, float64 (N,). changed: probabilities
    after each variant, by its name. threshold: of the frozen decision; nothing is fitted here.
    An image outside the group keeps its unchanged probability. Patients are resampled within class.
    """
    label = records["label"].to_numpy().astype(np.int64)
    draws = resample(
        records["patient"].to_numpy(), label,
        seed=options.seed, draws=options.draws, confidence=options.confidence,
    )  # fmt: skip
    groups: dict[str, Flags] = dict(
        zip(AFFECTED, (np.ones(len(label), bool), label == 0, label == 1), strict=True)
    )
    normal, sick = (records.loc[label == value, "patient"].nunique() for value in (0, 1))
    patients = {"auroc": min(normal, sick), "sensitivity": sick, "specificity": normal}
    before = _score(label, unchanged, threshold)
    found = [Row(UNCHANGED, "", draws.figures(before, patients), {})]
    for name, probability in changed.items():
        for affected, member in groups.items():
            after = _score(label, np.where(member, probability, unchanged), threshold)
            shift = draws.differences(after, before)
            found.append(Row(name, affected, draws.figures(after, patients), shift))
    return found


def stress_table(found: list[Row]) -> str:
    """The rows as Markdown; a variant's shift of AUROC stands last."""
    lines = []
    for row in found:
        figures = plain(row.figures)
        told = [format_figure(figures.get(name)) for name in _TOLD]
        lines.append([row.variant, row.affected, *told, format_difference(row.shift.get("auroc"))])
    return markdown_table(
        ["Images", "Changed", *(NAMES[name] for name in _TOLD), "AUROC's shift"], lines
    )


def _score(label: NDArray[np.int64], probability: Floats, threshold: float) -> Score:
    def score(weight: Floats) -> dict[str, Floats]:
        counts = Counts.of(label, probability >= threshold, weight)
        return {
            "auroc": scores.auroc(label, probability, weight),
            "sensitivity": counts.sensitivity,
            "specificity": counts.specificity,
        }

    return score
