"""Scores of how well probabilities rank pneumonia above normal.

As in every module of scores, each is computed for B weightings of the same N images at once:

- `label`: 0 or 1, (N,).
- `probability`: of pneumonia, float64 (N,), 0 to 1; here any number that ranks will do.
- `weight`: float64 (B, N), at least 0: how often a bootstrap draw has each image, or ones.
- returned: float64 (B,). A score that a weighting leaves undefined is NaN, never 0 or an error.
"""

import numpy as np
from numpy.typing import ArrayLike

from stages.engine.arrays import Floats
from stages.metrics.ratio import ratio


def auroc(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Area under the ROC curve; NaN where a class has no weight.

    The probability that a pneumonia image scores higher than a normal one, ties counting half
    (the Mann-Whitney form).
    """
    positives, negatives = _by_threshold(label, probability, weight)
    all_negatives = negatives.sum(axis=1)
    ranked_lower = all_negatives[:, None] - np.cumsum(negatives, axis=1)
    won = (positives * (ranked_lower + negatives / 2)).sum(axis=1)
    return ratio(won, positives.sum(axis=1) * all_negatives)


def average_precision(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Sum over thresholds of precision times the recall gained; NaN where no positive has weight.

    Without interpolation, as scikit-learn's `average_precision_score`.
    """
    positives, negatives = _by_threshold(label, probability, weight)
    found = np.cumsum(positives, axis=1)
    called = found + np.cumsum(negatives, axis=1)
    # Before the first weighted image nothing is called, and nothing is gained either.
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return ratio((positives * precision).sum(axis=1), found[:, -1])


def _by_threshold(
    label: ArrayLike, probability: ArrayLike, weight: Floats
) -> tuple[Floats, Floats]:
    """Sum the weights of positives and of negatives at each distinct probability, highest first.

    Both float64 (B, T). Images with equal probabilities share one threshold, which makes ties
    exact.
    """
    order = np.argsort(-np.asarray(probability), kind="stable")
    ranked = np.asarray(probability)[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    is_pneumonia = np.asarray(label, np.float64)[order]
    ordered = weight[:, order]
    positives = np.add.reduceat(ordered * is_pneumonia, starts, axis=1)
    return positives, np.add.reduceat(ordered, starts, axis=1) - positives
