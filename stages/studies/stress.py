"""How far do the frozen model's figures move when the acquisition of its images changes?

The command `pneumonia study stress`. The variants (`images.shift.stress`) are applied to the random
validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.engine.answers import Answers
from stages.engine.arrays import Flags, Floats, Labels
from stages.images.shards import open_shards
from stages.images.shift import stress
from stages.metrics.decisions import Counts, patients_behind
from stages.metrics.intervals import Figure, Score, as_tree, resample
from stages.metrics.options import FigureOptions
from stages.metrics.pages.text import format_difference, format_figure, markdown_table
from stages.metrics.pages.titles import TITLES
from stages.metrics.ranking import auroc
from stages.metrics.ratio import ratio
from stages.network.trained import load_trained
from stages.settings import paths
from stages.settings.params import Params

ROLE = "val"
"""Never test: what is looked at again and again ends up being chosen by."""
UNCHANGED = "as they are"
AFFECTED = ("all images", "negatives only", "positives only")
_SCORES = {name: TITLES[name] for name in ("auroc", "sensitivity", "specificity")} | {
    "refused": "Refused"
}


@dataclass(frozen=True)
class Row:
    """One variant on one group of images.

    Attributes:
        variant: Its name.
        affected: The images that it changes, one of AFFECTED.
        figures: "auroc", "sensitivity", "specificity" and "refused", the share of all images.
        shift: The same, less those of the unchanged images, paired.
    """

    variant: str
    affected: str
    figures: Mapping[str, Figure]
    shift: Mapping[str, Figure]


def run(settings: Params) -> str:
    """Return the table of figures by variant, in Markdown."""
    role = open_shards(paths.SHARDS).role(ROLE)
    trained = load_trained(paths.MODEL)
    unchanged = trained.answer(role.pixels)
    changed = {
        name: trained.answer(stress.apply_variant(role.pixels, variant))
        for name, variant in stress.VARIANTS.items()
    }
    threshold = trained.point.thresholds["decision"]
    return format_table(measure(role.records, unchanged, changed, threshold, settings.evaluate))


def measure(
    records: pd.DataFrame,
    unchanged: Answers,
    changed: Mapping[str, Answers],
    threshold: float,
    options: FigureOptions,
) -> list[Row]:
    """Compute figures with intervals: the unchanged images, then each variant on each of AFFECTED.

    An image outside the group keeps its unchanged answer. Patients are resampled within class.

    Args:
        records: The images (N).
        unchanged: The answers for them.
        changed: The answers after each variant, by its name.
        threshold: Of the frozen decision; nothing is fitted here.
        options: Of the resampling.
    """
    label = records["label"].to_numpy().astype(np.int64)
    draws = resample(
        records["patient"].to_numpy(),
        label,
        seed=options.seed,
        draws=options.draws,
        confidence=options.confidence,
    )
    members: tuple[Flags, ...] = (np.ones(len(label), bool), label == 0, label == 1)
    patients = patients_behind(draws.patient, label, unchanged.probability >= threshold)
    patients["auroc"] = min(patients["sensitivity"], patients["specificity"])
    patients["refused"] = patients["accuracy"]
    before = _score(label, unchanged, threshold)
    rows = [Row(UNCHANGED, "", draws.figures(before, patients), {})]
    for name, answers in changed.items():
        for affected, member in zip(AFFECTED, members, strict=True):
            after = _score(label, answers.where(member, unchanged), threshold)
            shift = draws.differences(after, before)
            rows.append(Row(name, affected, draws.figures(after, patients), shift))
    return rows


def format_table(rows: list[Row]) -> str:
    """Format the rows as Markdown; a variant's shift of AUROC stands last."""
    cells = []
    for row in rows:
        tree = as_tree(row.figures)
        figures = [format_figure(tree.get(name)) for name in _SCORES]
        shift = format_difference(row.shift.get("auroc"))
        cells.append([row.variant, row.affected, *figures, shift])
    header = ["Images", "Changed", *_SCORES.values(), "AUROC's shift"]
    return markdown_table(header, cells)


def _score(label: Labels, answers: Answers, threshold: float) -> Score:
    probability, refused = answers.probability, answers.refused

    def score(weight: Floats) -> dict[str, Floats]:
        counts = Counts.of(label, probability >= threshold, weight, refused)
        return {
            "auroc": auroc(label, probability, weight),
            "sensitivity": counts.sensitivity,
            "specificity": counts.specificity,
            "refused": ratio(weight @ refused, weight.sum(axis=1)),
        }

    return score
