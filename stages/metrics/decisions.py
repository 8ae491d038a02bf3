"""Scores of decisions: which images are called pneumonia, and rightly so.

Arguments and shapes are those of `stages.metrics.ranking`; `positive` is bool (N,), True where an
image is called pneumonia.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.engine.arrays import Flags, Floats
from stages.metrics.ratio import ratio


@dataclass(frozen=True)
class Counts:
    """Weights of true and false positives and negatives, each float64 (B,), and their scores."""

    tp: Floats
    fp: Floats
    tn: Floats
    fn: Floats

    @classmethod
    def of(cls, label: ArrayLike, positive: ArrayLike, weight: Floats) -> "Counts":
        """Sum the weights (B, N) of each cell of the confusion matrix."""
        sick, called = np.asarray(label, bool), np.asarray(positive, bool)
        cells = np.stack([sick & called, ~sick & called, ~sick & ~called, sick & ~called], axis=1)
        tp, fp, tn, fn = (weight @ cells.astype(np.float64)).T
        return cls(tp, fp, tn, fn)

    def scores(self, names: tuple[str, ...]) -> dict[str, Floats]:
        """Return the named scores, each float64 (B,)."""
        return {name: getattr(self, name) for name in names}

    @property
    def accuracy(self) -> Floats:
        """Share of images decided rightly."""
        return ratio(self.tp + self.tn, self.tp + self.fp + self.tn + self.fn)

    @property
    def sensitivity(self) -> Floats:
        """Share of pneumonia images that are called pneumonia."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Floats:
        """Share of normal images that are called normal."""
        return ratio(self.tn, self.tn + self.fp)

    @property
    def balanced_accuracy(self) -> Floats:
        """Mean of sensitivity and specificity."""
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
        """Harmonic mean of sensitivity and positive predictive value."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> Floats:
        """Matthews correlation; 0 where a margin is empty, its limit for a constant decision."""
        margins = (
            (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        )
        covariance = self.tp * self.tn - self.fp * self.fn
        return np.where(margins == 0, 0.0, ratio(covariance, np.sqrt(margins)))


ALL_SCORES = tuple(name for name, value in vars(Counts).items() if isinstance(value, property))
"""Names of all scores of a decision: every property of Counts."""


def patients_behind(patient: NDArray[np.intp], label: ArrayLike, positive: Flags) -> dict[str, int]:
    """Count the independent patients behind each score that is a share, by the score's name.

    What `Draws.figures` needs for the interval of a share that is exactly 0 or 1: the patients of
    the images in the share's denominator.

    Args:
        patient: A number for each image's patient (N,).
        label: 0 or 1 (N,).
        positive: Whether each image is called pneumonia (N,).
    """
    sick = np.asarray(label, bool)
    normals, sick_patients = _count(patient[~sick]), _count(patient[sick])
    return {
        "accuracy": normals + sick_patients,
        "balanced_accuracy": min(normals, sick_patients),
        "sensitivity": sick_patients,
        "specificity": normals,
        "ppv": _count(patient[positive]),
        "npv": _count(patient[~positive]),
    }


def _count(patient: NDArray[np.intp]) -> int:
    return len(np.unique(patient))
