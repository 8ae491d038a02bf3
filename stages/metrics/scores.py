"""Scores of a binary classifier, each for many weightings of the same images at once.

Throughout: N images, B weightings; `label` is 0 or 1 (N,), `probability` of pneumonia float64
0 to 1 (N,), `weight` float64 (B, N), at least 0 (a bootstrap's multiplicities, or ones); a
score is float64 (B,). A score that a weighting leaves undefined, such as the positive
predictive value where nothing was called positive, is NaN: never 0, never an error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.engine.arrays import Floats


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator / denominator, NaN where the denominator is 0."""
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator != 0))


@dataclass(frozen=True)
class Counts:
    """Weights of the true and false positives and negatives, each float64 (B,)."""

    tp: Floats
    fp: Floats
    tn: Floats
    fn: Floats

    @classmethod
    def of(cls, label: ArrayLike, positive: ArrayLike, weight: Floats) -> "Counts":
        """From decisions `positive`, bool (N,)."""
        sick, called = np.asarray(label, bool), np.asarray(positive, bool)
        cells = np.stack([sick & called, ~sick & called, ~sick & ~called, sick & ~called], axis=1)
        tp, fp, tn, fn = (weight @ cells.astype(np.float64)).T
        return cls(tp, fp, tn, fn)

    @property
    def accuracy(self) -> Floats:
        return ratio(self.tp + self.tn, self.tp + self.fp + self.tn + self.fn)

    @property
    def sensitivity(self) -> Floats:
        return ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Floats:
        return ratio(self.tn, self.tn + self.fp)

    @property
    def balanced_accuracy(self) -> Floats:
        return (self.sensitivity + self.specificity) / 2

    @property
    def ppv(self) -> Floats:
        """Positive predictive value, at the prevalence of these images."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> Floats:
        """Negative predictive value, at the prevalence of these images."""
        return ratio(self.tn, self.tn + self.fn)

    @property
    def f1(self) -> Floats:
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> Floats:
        """Matthews correlation; 0 where a margin is empty, its limit for a constant call."""
        margins = (
            (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        )
        covariance = self.tp * self.tn - self.fp * self.fn
        return np.where(margins == 0, 0.0, ratio(covariance, np.sqrt(margins)))


# Figures of a decision, in the order in which people read them.
DECIDED = (
    "accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "mcc",
)  # fmt: skip


def decided(counts: Counts) -> dict[str, Floats]:
    """Every figure named in DECIDED."""
    return {name: getattr(counts, name) for name in DECIDED}


def _by_threshold(
    label: ArrayLike, probability: ArrayLike, weight: Floats
) -> tuple[Floats, Floats]:
    """Weights of positives and of negatives at each distinct probability, highest first.

    Both float64 (B, T). Images with equal probabilities share one threshold, which is what
    makes ties exact.
    """
    order = np.argsort(-np.asarray(probability), kind="stable")
    ranked = np.asarray(probability)[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    sick = np.asarray(label, np.float64)[order]
    ordered = weight[:, order]
    positives = np.add.reduceat(ordered * sick, starts, axis=1)
    return positives, np.add.reduceat(ordered, starts, axis=1) - positives


def auroc(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Area under the ROC curve: P(a sick image scores higher than a healthy one), ties half.

    The Mann-Whitney form. NaN where a class has no weight.
    """
    positives, negatives = _by_threshold(label, probability, weight)
    all_negatives = negatives.sum(axis=1)
    beneath = all_negatives[:, None] - np.cumsum(negatives, axis=1)
    won = (positives * (beneath + negatives / 2)).sum(axis=1)
    return ratio(won, positives.sum(axis=1) * all_negatives)


def average_precision(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Sum over thresholds of precision times the recall gained (no interpolation).

    NaN where no positive has weight.
    """
    positives, negatives = _by_threshold(label, probability, weight)
    found = np.cumsum(positives, axis=1)
    called = found + np.cumsum(negatives, axis=1)
    # Before the first weighted image nothing is called, and nothing is gained either.
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return ratio((positives * precision).sum(axis=1), found[:, -1])


def brier(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Mean squared difference between probability and label."""
    error = (np.asarray(probability) - np.asarray(label)) ** 2
    return ratio(weight @ error, weight.sum(axis=1))


def log_loss(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Mean negative log-likelihood in nats; probabilities are kept 1e-15 off 0 and 1."""
    right = np.where(np.asarray(label, bool), probability, 1 - np.asarray(probability))
    return ratio(weight @ -np.log(np.clip(right, 1e-15, 1.0)), weight.sum(axis=1))


def bin_of(probability: ArrayLike, bins: int) -> NDArray[np.intp]:
    """The equal-width bin of each probability, 0 to bins - 1; 1.0 falls in the last."""
    return np.minimum((np.asarray(probability) * bins).astype(np.intp), bins - 1)


def ece(label: ArrayLike, probability: ArrayLike, weight: Floats, bins: int) -> Floats:
    """Expected calibration error of the probability of pneumonia, over equal-width bins.

    The mean over images of |mean probability - share of pneumonia| in the image's bin.
    """
    member = np.eye(bins)[bin_of(probability, bins)]
    gap = (np.asarray(probability) - np.asarray(label))[:, None] * member
    return ratio(np.abs(weight @ gap).sum(axis=1), weight.sum(axis=1))
