"""Figures over all blocks: each normal is judged by the one model that saw none of its kind.

Logits of different models do not compare. So a normal is placed among the validation positives as
its own model ranks them: its *standing* is the share of positives that lie no higher. Standings of
all models compare, whatever the scale of their logits. 1 less the mean standing is the AUROC; the
share of standings up to 0.05 is the specificity where sensitivity is 0.95.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.arrays import Floats
from stages.metrics.intervals import Draws, Figure, Score, resample
from stages.metrics.options import FigureOptions
from stages.metrics.ratio import ratio
from stages.studies.tail_table import VAL, TailTable, places_by_model

LEVEL = 0.95
"""The sensitivity at which specificity is stated."""

_EDGE = 1e-9
"""Below any share of a patient: a standing of exactly 0.05 is within 0.05."""


@dataclass(frozen=True)
class _Part:
    """Rows of one model: positives by rising logit, normals, and how many positives lie below."""

    positives: NDArray[np.intp]
    normals: NDArray[np.intp]
    below: NDArray[np.intp]
    not_above: NDArray[np.intp]


def scorer(
    rows: pd.DataFrame,
    normals: str,
    *,
    positives: str = VAL,
    blocks: Sequence[int] | None = None,
) -> Score:
    """Make a function from weights of `rows` (B, N) to figures.

    Args:
        rows: Of a TailTable (N).
        normals: The set of images whose normals are judged.
        positives: The set whose positives they are placed among.
        blocks: The models that count, by default all.

    Returns:
        A function to "auroc"; "specificity" at LEVEL, where the threshold is found anew in each
        draw; and "equal", sensitivity and specificity where they are equal.
    """
    label, logit = rows["label"].to_numpy(), rows["logit"].to_numpy()
    images = rows["images"].to_numpy()
    parts = []
    for block, places in places_by_model(rows):
        if blocks is not None and block not in blocks:
            continue
        sick = places[(images[places] == positives) & (label[places] == 1)]
        well = places[(images[places] == normals) & (label[places] == 0)]
        sick = sick[np.argsort(logit[sick], kind="stable")]
        below, not_above = (
            np.searchsorted(logit[sick], logit[well], side) for side in ("left", "right")
        )
        parts.append(_Part(sick, well, below, not_above))
    members = np.concatenate([part.normals for part in parts])

    def score(weight: Floats) -> dict[str, Floats]:
        below, not_above = zip(*(_standings(part, weight) for part in parts), strict=True)
        lower, upper = np.concatenate(below, axis=1), np.concatenate(not_above, axis=1)
        normal = weight[:, members]
        total = normal.sum(axis=1)
        spared = (normal * (upper <= 1 - LEVEL + _EDGE)).sum(axis=1)
        return {
            "auroc": 1 - ratio((normal * (lower + upper) / 2).sum(axis=1), total),
            "specificity": ratio(spared, total),
            "equal": _equal(upper, normal),
        }

    return score


def _standings(part: _Part, weight: Floats) -> tuple[Floats, Floats]:
    """Share of the positives below each normal, and of those not above it, (B, n) each."""
    found = np.cumsum(weight[:, part.positives], axis=1)
    share = ratio(found, found[:, -1:])
    share = np.concatenate([np.zeros((len(weight), 1)), share], axis=1)
    return share[:, part.below], share[:, part.not_above]


def _equal(standing: Floats, weight: Floats) -> Floats:
    """Sensitivity and specificity at the threshold where they are equal, or next to it."""
    order = np.argsort(standing, axis=1, kind="stable")
    missed = np.take_along_axis(standing, order, axis=1)
    spared = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    spared = ratio(spared, spared[:, -1:])
    first = (spared >= 1 - missed).argmax(axis=1)[:, None]
    both = np.take_along_axis(spared, first, 1) + 1 - np.take_along_axis(missed, first, 1)
    return np.asarray(both[:, 0] / 2)


def draws_of(rows: pd.DataFrame, options: FigureOptions) -> Draws:
    """Resample patients; one is drawn with all images in all blocks."""
    return resample(
        rows["patient"].to_numpy().astype(str),
        rows["label"].to_numpy(),
        seed=options.seed,
        draws=options.draws,
        confidence=options.confidence,
    )


def figures(
    draws: Draws, rows: pd.DataFrame, normals: str, blocks: Sequence[int] | None = None
) -> dict[str, Figure]:
    """Compute figures with intervals for the normals of one set; arguments as of `scorer`."""
    chosen = (rows["images"] == normals) & (rows["label"] == 0)
    if blocks is not None:
        chosen &= rows["block"].isin(blocks)
    patients = rows.loc[chosen, "patient"].nunique()
    behind = {"auroc": patients, "specificity": patients}
    return draws.figures(scorer(rows, normals, blocks=blocks), behind)


def differences(
    draws: Draws, table: TailTable, other: TailTable, normals: str
) -> dict[str, Figure]:
    """Compute the figures of `table` less those of `other`, on the same images."""
    return draws.differences(scorer(table.rows, normals), scorer(other.rows, normals))
