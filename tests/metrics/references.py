"""Independent reference implementations of every figure: loops, scikit-learn and SciPy.

Nothing here imports `stages.metrics`. A new metric needs an entry in REFERENCES, under its name in
the report; `test_references.py` compares the two on weighted images with ties and empty cells.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from sklearn import metrics as library
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Sample:
    """Some images in one weighting, as plain lists.

    Attributes:
        label: 0 or 1.
        probability: Of pneumonia.
        positive: Whether the image is called pneumonia.
        refused: Whether the image is refused; it then is not called anything.
        weight: At least 0.
        bins: Of the expected calibration error.
    """

    label: list[int]
    probability: list[float]
    positive: list[bool]
    refused: list[bool]
    weight: list[float]
    bins: int

    @property
    def decision(self) -> list[bool | None]:
        """What each image is called: pneumonia, normal, or nothing where it is refused."""
        both = zip(self.positive, self.refused, strict=True)
        return [None if refused else called for called, refused in both]

    def total(self, *, label: int | None = None, positive: bool | None = None) -> float:
        """Sum the weights of the images with this label and decision."""
        return sum(
            weight
            for weight, is_pneumonia, called in zip(
                self.weight, self.label, self.decision, strict=True
            )
            if label in (None, is_pneumonia) and (positive is None or called is positive)
        )

    def out(self, label: int | None = None) -> float:
        """Sum the weights of the refused images with this label."""
        return sum(
            weight
            for weight, is_pneumonia, called in zip(
                self.weight, self.label, self.decision, strict=True
            )
            if label in (None, is_pneumonia) and called is None
        )

    def rows(self) -> list[tuple[float, int, float]]:
        """Weight, label and probability of each image that has a weight."""
        rows = zip(self.weight, self.label, self.probability, strict=True)
        return [row for row in rows if row[0] > 0]


def divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def sensitivity(sample: Sample) -> float:
    return divide(sample.total(label=1, positive=True), sample.total(label=1))


def specificity(sample: Sample) -> float:
    return divide(sample.total(label=0, positive=False), sample.total(label=0))


def accuracy(sample: Sample) -> float:
    right = sample.total(label=1, positive=True) + sample.total(label=0, positive=False)
    return divide(right, sample.total())


def balanced_accuracy(sample: Sample) -> float:
    return (sensitivity(sample) + specificity(sample)) / 2


def ppv(sample: Sample) -> float:
    return divide(sample.total(label=1, positive=True), sample.total(positive=True))


def npv(sample: Sample) -> float:
    return divide(sample.total(label=0, positive=False), sample.total(positive=False))


def f1(sample: Sample) -> float:
    """Harmonic mean; 0 where no pneumonia is called pneumonia."""
    if not sample.total(label=1) + sample.total(positive=True):
        return math.nan
    if not sample.total(label=1, positive=True):
        return 0.0
    return 2 / (1 / sensitivity(sample) + 1 / ppv(sample))


def mcc(sample: Sample) -> float:
    """scikit-learn's, which is 0 where the labels or the decisions do not vary.

    An image that is refused got the wrong call.
    """
    if not sample.total():
        return 0.0
    decided = [
        not label if called is None else called
        for label, called in zip(sample.label, sample.decision, strict=True)
    ]
    found = library.matthews_corrcoef(sample.label, decided, sample_weight=sample.weight)
    return float(found)


def refused_share(sample: Sample) -> float:
    return divide(sample.out(), sample.total())


def refused_negatives(sample: Sample) -> float:
    return divide(sample.out(label=0), sample.total(label=0))


def refused_positives(sample: Sample) -> float:
    return divide(sample.out(label=1), sample.total(label=1))


def refused_difference(sample: Sample) -> float:
    return refused_positives(sample) - refused_negatives(sample)


def auroc(sample: Sample) -> float:
    """Share of weighted pairs in which pneumonia scores higher, ties half."""
    won = pairs = 0.0
    rows = sample.rows()
    for weight, _, higher in (row for row in rows if row[1] == 1):
        for other_weight, _, lower in (row for row in rows if row[1] == 0):
            pairs += weight * other_weight
            won += weight * other_weight * ((higher > lower) + 0.5 * (higher == lower))
    return divide(won, pairs)


def average_precision(sample: Sample) -> float:
    """Precision at each threshold times the recall gained there."""
    rows, positives = sample.rows(), sample.total(label=1)
    if not positives:
        return math.nan
    total = recall_before = 0.0
    for threshold in sorted({probability for _, _, probability in rows}, reverse=True):
        called = sum(weight for weight, _, probability in rows if probability >= threshold)
        found = sum(w for w, label, probability in rows if label and probability >= threshold)
        total += (found / positives - recall_before) * found / called
        recall_before = found / positives
    return total


def brier(sample: Sample) -> float:
    errors = [weight * (probability - label) ** 2 for weight, label, probability in sample.rows()]
    return divide(sum(errors), sample.total())


def log_loss(sample: Sample) -> float:
    losses = [
        -weight * math.log(max(probability if label else 1 - probability, 1e-15))
        for weight, label, probability in sample.rows()
    ]
    return divide(sum(losses), sample.total())


def ece(sample: Sample) -> float:
    """Sum over bins of the bin's weight times |mean probability - share of pneumonia|."""
    if not sample.total():
        return math.nan
    error = 0.0
    for number in range(sample.bins):
        low, high = number / sample.bins, (number + 1) / sample.bins
        inside = [row for row in sample.rows() if low <= row[2] < high or row[2] == high == 1]
        weight = sum(row[0] for row in inside)
        if weight:
            mean_probability = sum(w * probability for w, _, probability in inside) / weight
            share = sum(w * label for w, label, _ in inside) / weight
            error += weight * abs(mean_probability - share)
    return error / sample.total()


def intercept(sample: Sample) -> float:
    """The shift of all logits at which the mean probability is the share of pneumonia."""
    if not sample.total(label=0) * sample.total(label=1):
        return math.nan

    def excess(shift: float) -> float:
        return sum(
            weight * (1 / (1 + math.exp(-_logit(probability) - shift)) - label)
            for weight, label, probability in sample.rows()
        )

    return float(brentq(excess, -50, 50, xtol=1e-12))


def slope(sample: Sample) -> float:
    """The coefficient of scikit-learn's logistic regression on the logit, without a penalty."""
    rows = sample.rows()
    normal = [_logit(probability) for _, label, probability in rows if label == 0]
    pneumonia = [_logit(probability) for _, label, probability in rows if label == 1]
    if not normal or not pneumonia:
        return math.nan
    if max(normal) <= min(pneumonia) or max(pneumonia) <= min(normal):  # no finite maximum
        return math.nan
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    logits = np.array([[_logit(probability)] for _, _, probability in rows])
    weights = np.array([weight for weight, _, _ in rows])
    fitted = model.fit(logits, [label for _, label, _ in rows], weights / weights.mean())
    return float(fitted.coef_[0, 0])


def _logit(probability: float) -> float:
    kept = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log(kept / (1 - kept))


REFERENCES: dict[str, Callable[[Sample], float]] = {
    "accuracy": accuracy,
    "auroc": auroc,
    "average_precision": average_precision,
    "balanced_accuracy": balanced_accuracy,
    "brier": brier,
    "difference": refused_difference,
    "ece": ece,
    "f1": f1,
    "intercept": intercept,
    "log_loss": log_loss,
    "mcc": mcc,
    "negative": refused_negatives,
    "npv": npv,
    "positive": refused_positives,
    "ppv": ppv,
    "sensitivity": sensitivity,
    "share": refused_share,
    "slope": slope,
    "specificity": specificity,
}
"""By the figure's name in the report, wherever it stands there."""

COUNTS: dict[str, Callable[[Sample], float]] = {
    "images": lambda sample: len(sample.label),
    "prevalence": lambda sample: divide(sample.total(label=1), sample.total()),
    "tp": lambda sample: sample.total(label=1, positive=True),
    "fp": lambda sample: sample.total(label=0, positive=True),
    "tn": lambda sample: sample.total(label=0, positive=False),
    "fn": lambda sample: sample.total(label=1, positive=False),
    "negative refused": lambda sample: sample.out(label=0),
    "positive refused": lambda sample: sample.out(label=1),
}
"""Numbers without an interval that are counted on the images."""
