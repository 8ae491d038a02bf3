"""Paired differences between two models judged on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.engine.arrays import Floats
from stages.engine.errors import InputError
from stages.metrics import scores
from stages.metrics.intervals import Figure, Score, resample
from stages.metrics.options import FigureOptions
from stages.metrics.scores import Counts

SHIFT = "shift_auroc"


@dataclass(frozen=True)
class Judged:
    """What one model says: probabilities float64 (N,) by role, and its screening threshold."""

    probability: Mapping[str, Floats]
    screening: float


def paired(
    records: Mapping[str, pd.DataFrame], ours: Judged, theirs: Judged, options: FigureOptions
) -> dict[str, Figure]:
    """Ours minus theirs, with intervals: `<role>.auroc`, `<role>.screening.specificity` and
    "shift_auroc", the mean AUROC over the roles other than "val", where there are some.

    records: of every validation role (N rows each), the same images for both models. A patient
    is drawn with all images of all roles, and each draw takes the same images for both models.

    Raises InputError where the models were not judged on the same number of images.
    """
    for judged in (ours, theirs):
        found = {role: len(stated) for role, stated in judged.probability.items()}
        expected = {role: len(rows) for role, rows in records.items()}
        if found != expected:
            raise InputError(
                f"paired differences: expected the images {expected}, received {found}; compare "
                "models that were judged on the same validation images"
            )
    every = pd.concat(records.values(), ignore_index=True)
    draws = resample(
        every["patient"].to_numpy(), every["label"].to_numpy(),
        seed=options.seed, draws=options.draws, confidence=options.confidence,
    )  # fmt: skip
    return draws.differences(_score(records, ours), _score(records, theirs))


def _score(records: Mapping[str, pd.DataFrame], judged: Judged) -> Score:
    bounds = np.cumsum([0, *(len(rows) for rows in records.values())])

    def score(weight: Floats) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for role, first, last in zip(records, bounds, bounds[1:], strict=False):
            label = records[role]["label"].to_numpy()
            probability, part = judged.probability[role], weight[:, first:last]
            found[f"{role}.auroc"] = scores.auroc(label, probability, part)
            counts = Counts.of(label, probability >= judged.screening, part)
            found[f"{role}.screening.specificity"] = counts.specificity
        shifts = [found[f"{role}.auroc"] for role in records if role != "val"]
        return found | ({SHIFT: np.mean(shifts, axis=0)} if shifts else {})

    return score
