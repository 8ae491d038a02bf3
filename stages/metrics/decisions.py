"""Scores of decisions: which images are called pneumonia, and rightly so.

Arguments and shapes are those of `stages.metrics.ranking`; `positive` is bool (N,), True where an
image is called pneumonia; `refused` is bool (N,), True where an image is refused, whatever
`positive` says of it. A refused image is decided wrongly: a score is what a user gets who sends
every image. Only the predictive values, which state what a call means, are over the images that
got one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.engine.arrays import Flags, Floats
from stages.metrics.ratio import ratio


@dataclass(frozen=True)
class Counts:
    """Weights of the cells of the confusion matrix, each float64 (B,), and their scores.

    Attributes:
        tp: Of pneumonia images that are called pneumonia.
        fp: Of normal images that are called pneumonia.
        tn: Of normal images that are called normal.
        fn: Of pneumonia images that are called normal.
        refused_negative: Of normal images that are refused.
        refused_positive: Of pneumonia images that are refused.
    """

    tp: Floats
    fp: Floats
    tn: Floats
    fn: Floats
    refused_negative: Floats
    refused_positive: Floats

    @classmethod
    def of(
        cls,
        label: ArrayLike,
        positive: ArrayLike,
        weight: Floats,
        refused: ArrayLike | None = None,
    ) -> "Counts":
        """Sum the weights (B, N) of each cell; `refused` None: no image is."""
        sick, called = np.asarray(label, bool), np.asarray(positive, bool)
        out = np.zeros(len(sick), bool) if refused is None else np.asarray(refused, bool)
        answered = [sick & called, ~sick & called, ~sick & ~called, sick & ~called]
        cells = np.stack([*(cell & ~out for cell in answered), ~sick & out, sick & out], axis=1)
        return cls(*(weight @ cells.astype(np.float64)).T)

    def scores(self, names: tuple[str, ...]) -> dict[str, Floats]:
        """Return the named scores, each float64 (B,)."""
        return {name: getattr(self, name) for name in names}

    @property
    def accuracy(self) -> Floats:
        """Share of images decided rightly."""
        return ratio(self.tp + self.tn, self._positives + self._negatives)

    @property
    def sensitivity(self) -> Floats:
        """Share of pneumonia images that are called pneumonia."""
        return ratio(self.tp, self._positives)

    @property
    def specificity(self) -> Floats:
        """Share of normal images that are called normal."""
        return ratio(self.tn, self._negatives)

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
        return ratio(2 * self.tp, self._positives + self.tp + self.fp)

    @property
    def mcc(self) -> Floats:
        """Matthews correlation; 0 where a margin is empty, its limit for a constant decision.

        A refused image is in the cell of the wrong call.
        """
        missed, alarms = self._positives - self.tp, self._negatives - self.tn
        margins = (self.tp + alarms) * self._positives * self._negatives * (self.tn + missed)
        covariance = self.tp * self.tn - alarms * missed
        return np.where(margins == 0, 0.0, ratio(covariance, np.sqrt(margins)))

    @cached_property
    def _positives(self) -> Floats:
        return self.tp + self.fn + self.refused_positive

    @cached_property
    def _negatives(self) -> Floats:
        return self.tn + self.fp + self.refused_negative


ALL_SCORES = tuple(name for name, value in vars(Counts).items() if isinstance(value, property))
"""Names of all scores of a decision: every property of Counts."""


def patients_behind(
    patient: NDArray[np.intp], label: ArrayLike, positive: Flags, refused: Flags | None = None
) -> dict[str, int]:
    """Count the independent patients behind each score that is a share, by the score's name.

    What `Draws.figures` needs for the interval of a share that is exactly 0 or 1: the patients of
    the images in the share's denominator.

    Args:
        patient: A number for each image's patient (N,).
        label: 0 or 1 (N,).
        positive: Whether each image is called pneumonia (N,).
        refused: Whether each image is refused (N,); None: none is.
    """
    sick = np.asarray(label, bool)
    answered = np.ones(len(sick), bool) if refused is None else ~refused
    normals, sick_patients = _count(patient[~sick]), _count(patient[sick])
    return {
        "accuracy": normals + sick_patients,
        "balanced_accuracy": min(normals, sick_patients),
        "sensitivity": sick_patients,
        "specificity": normals,
        "ppv": _count(patient[answered & positive]),
        "npv": _count(patient[answered & ~positive]),
    }


def _count(patient: NDArray[np.intp]) -> int:
    return len(np.unique(patient))
