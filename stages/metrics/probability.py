"""Scores of probabilities as such: how near they come to the labels.

Arguments and shapes are those of `stages.metrics.ranking`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.engine.arrays import Floats
from stages.metrics.ratio import ratio


def brier(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Mean squared difference between probability and label."""
    error = (np.asarray(probability) - np.asarray(label)) ** 2
    return ratio(weight @ error, weight.sum(axis=1))


def log_loss(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Mean negative log-likelihood in nats; probabilities are kept 1e-15 off 0 and 1."""
    of_label = np.where(np.asarray(label, bool), probability, 1 - np.asarray(probability))
    return ratio(weight @ -np.log(np.clip(of_label, 1e-15, 1.0)), weight.sum(axis=1))


def ece(label: ArrayLike, probability: ArrayLike, weight: Floats, bins: int) -> Floats:
    """Expected calibration error of the probability of pneumonia, over equal-width bins.

    The mean over images of |mean probability - share of pneumonia| in the image's bin.
    """
    member = np.eye(bins)[bin_of(probability, bins)]
    gap = (np.asarray(probability) - np.asarray(label))[:, None] * member
    return ratio(np.abs(weight @ gap).sum(axis=1), weight.sum(axis=1))


def bin_of(probability: ArrayLike, bins: int) -> NDArray[np.intp]:
    """Number the equal-width bin of each probability, 0 to bins - 1; 1.0 falls in the last."""
    return np.minimum((np.asarray(probability) * bins).astype(np.intp), bins - 1)
