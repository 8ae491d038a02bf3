"""The tables behind the plots, as CSV text: few enough points to draw, stable bytes.

Throughout, `label` is 0 or 1 (N,) and `probability` of a positive float64 (N,), 0 to 1.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stages.engine.answers import Answers
from stages.engine.arrays import Floats
from stages.engine.csv_text import csv_text
from stages.engine.tables import to_cell
from stages.metrics.calibration import at_prior
from stages.metrics.probability import bin_of

MAX_POINTS = 200
"""Of a curve."""


def plot_tables(
    label: ArrayLike,
    answers: Answers,
    threshold: float,
    bins: int,
    prior: float,
    classes: tuple[str, str],
) -> dict[str, str]:
    """Make the table of every plot, by file name; curves are over all images, refused or not.

    Args:
        label: 0 or 1 (N,).
        answers: For these images.
        threshold: Of the frozen decision.
        bins: Equal-width bins of the reliability diagram.
        prior: The share of positives at which the probabilities are stated.
        classes: Names of the labels 0 and 1.
    """
    probability = answers.probability
    return {
        "roc.csv": roc(label, probability),
        "precision_recall.csv": precision_recall(label, probability),
        "calibration.csv": reliability(label, probability, bins, prior),
        "confusion.csv": confusion(label, probability >= threshold, answers.refused, classes),
    }


def roc(label: ArrayLike, probability: ArrayLike) -> str:
    """Make the ROC curve: columns fpr, tpr, threshold.

    From (0, 0), where the threshold is above every image's probability.
    """
    thresholds, true, false = _by_threshold(label, probability)
    fpr = np.concatenate([[0.0], false / false[-1]])
    tpr = np.concatenate([[0.0], true / true[-1]])
    kept = _thinned(fpr, tpr)
    return _columns(
        {"fpr": fpr[kept], "tpr": tpr[kept], "threshold": np.append(1.0, thresholds)[kept]}
    )


def precision_recall(label: ArrayLike, probability: ArrayLike) -> str:
    """Make the precision-recall curve: columns recall, precision, threshold; highest first."""
    thresholds, true, false = _by_threshold(label, probability)
    recall, precision = true / true[-1], true / (true + false)
    kept = _thinned(recall, precision)
    return _columns(
        {"recall": recall[kept], "precision": precision[kept], "threshold": thresholds[kept]}
    )


def reliability(label: ArrayLike, probability: ArrayLike, bins: int, prior: float) -> str:
    """Make the reliability diagram: columns predicted, observed, perfect, images.

    One row for each bin that holds images, lowest probability first: the mean probability, the
    share of positives, with classes re-weighted to `prior`, and the number of images.
    """
    is_positive, stated = np.asarray(label, np.float64), np.asarray(probability, np.float64)
    weight = at_prior(label, np.ones((1, len(stated))), prior)[0]
    member = bin_of(stated, bins)
    rows = []
    for inside in (member == number for number in np.unique(member)):
        predicted = float(np.average(stated[inside], weights=weight[inside]))
        observed = float(np.average(is_positive[inside], weights=weight[inside]))
        rows.append((predicted, observed, predicted, int(inside.sum())))
    return csv_text(("predicted", "observed", "perfect", "images"), rows)


def confusion(
    label: ArrayLike, positive: ArrayLike, refused: ArrayLike, classes: tuple[str, str]
) -> str:
    """Make the confusion table: columns actual, predicted; one row per image.

    DVC's template counts the rows. positive, refused: whether each image is called positive, and
    whether it is refused instead, bool (N,). classes: Names of the labels 0 and 1.
    """
    called = np.where(np.asarray(refused, bool), 2, np.asarray(positive, int)).tolist()
    names = (*classes, "refused")
    return csv_text(
        ("actual", "predicted"),
        (
            (classes[actual], names[given])
            for actual, given in zip(np.asarray(label, int).tolist(), called, strict=True)
        ),
    )


def predictions(records: pd.DataFrame, answers: Answers, threshold: float) -> str:
    """List every image with its prediction, as CSV text.

    Columns id, patient, kind, label, logit, probability, decision (0 or 1, empty where the image is
    refused), domain_score, refused (0 or 1), split.

    Args:
        records: The rows of records.csv (N).
        answers: For these images.
        threshold: Of the frozen decision.
    """
    called = np.where(answers.probability >= threshold, "1", "0")
    table = records[["id", "patient", "kind", "label"]].assign(
        logit=answers.logit.astype(np.float64),
        probability=answers.probability,
        decision=np.where(answers.refused, "", called),
        domain_score=answers.domain_score,
        refused=answers.refused.astype(int),
        split=records["role"],
    )
    for name in ("id", "patient", "kind", "split"):
        table[name] = table[name].map(to_cell)
    return str(table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))


def _by_threshold(label: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Distinct thresholds, highest first, with the true and false positives at each: (T,)."""
    stated = np.asarray(probability, np.float64)
    order = np.argsort(-stated, kind="stable")
    is_positive = np.asarray(label, np.float64)[order]
    last = np.flatnonzero(np.append(np.diff(stated[order]) != 0, True))
    return stated[order][last], np.cumsum(is_positive)[last], np.cumsum(1 - is_positive)[last]


def _thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Choose at most MAX_POINTS points of a path, evenly along its length, both ends among them."""
    if len(x) <= MAX_POINTS:
        return np.arange(len(x))
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, length[-1], MAX_POINTS)
    return np.unique(np.append(np.searchsorted(length, wanted[:-1]), len(x) - 1))


def _columns(columns: dict[str, Floats]) -> str:
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return csv_text(list(columns), rows)
