"""How many images a model refuses, of each class.

A model that refuses more pneumonia than normals may refuse the images that need it most, such as
white lungs. The difference of the two shares therefore has an interval of its own.
"""

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats, Labels
from stages.metrics.group_means import Group, drawn_means
from stages.metrics.intervals import Figure
from stages.metrics.options import FigureOptions
from stages.metrics.ratio import ratio
from stages.metrics.refusal_keys import NEGATIVE, POSITIVE, REFUSALS
from stages.metrics.section import Section


def shares(patient: NDArray[np.generic], label: Labels, refused: Flags) -> Section:
    """Return the section of the refused shares of N images: of all, and of each class.

    Args:
        patient: The patient of each image (N,).
        label: 0 or 1 (N,).
        refused: Whether each image is refused (N,).
    """
    members = {
        "share": np.ones(len(label), bool),
        NEGATIVE: label == 0,
        POSITIVE: label == 1,
    }

    def score(weight: Floats) -> dict[str, Floats]:
        return {
            name: ratio(weight @ (member & refused), weight @ member.astype(np.float64))
            for name, member in members.items()
        }

    patients = {name: len(np.unique(patient[member])) for name, member in members.items()}
    counts = {name: int(refused[members[name]].sum()) for name in (NEGATIVE, POSITIVE)}
    return Section((REFUSALS,), score, patients, {"counts": counts})


def difference(
    patient: NDArray[np.generic], label: Labels, refused: Flags, options: FigureOptions
) -> Figure:
    """Compute the refused share of positives minus that of negatives.

    The bounds are percentiles over resampled patients and two invented ones in each class, one of
    whose images all are refused and one of whose none is: the shares are small, and without them
    two classes of which nothing is refused would look certain to be treated alike (Agresti and
    Caffo 2000, "Simple and Effective Confidence Intervals for Proportions and Differences of
    Proportions Result from Adding Two Successes and Two Failures", The American Statistician
    54:280-288). They never exclude the value.

    Args:
        patient: The patient of each image (N,).
        label: 0 or 1 (N,).
        refused: Whether each image is refused (N,).
        options: Of resampling.
    """
    means = drawn_means(
        refused.astype(np.float64),
        {NEGATIVE: Group(0, label == 0), POSITIVE: Group(1, label == 1)},
        patient,
        label,
        invented=(1.0, 0.0),
        seed=options.seed,
        draws=options.draws,
    )
    negative, positive = means[NEGATIVE], means[POSITIVE]
    if negative is None or positive is None:
        return Figure(np.nan, np.nan, np.nan)
    value, tail = positive.value - negative.value, (1 - options.confidence) / 2
    low, high = np.nanquantile(positive.drawn - negative.drawn, [tail, 1 - tail])
    return Figure(value, min(float(low), value), max(float(high), value))
