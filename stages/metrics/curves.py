"""The tables behind the plots, as CSV text: few enough points to draw, stable bytes."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stages.engine.arrays import Floats
from stages.engine.classes import CLASS_NAMES
from stages.engine.files import DECIMALS
from stages.metrics import calibration

POINTS = 200


def csv(header: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> str:
    """CSV text with floats to DECIMALS. No cell may need quoting."""
    lines = [
        ",".join(f"{cell:.{DECIMALS}f}" if isinstance(cell, float) else str(cell) for cell in row)
        for row in rows
    ]
    return "\n".join([",".join(header), *lines]) + "\n"


def _sweep(label: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Distinct thresholds, highest first, with the true and false positives at each: (T,)."""
    stated = np.asarray(probability, np.float64)
    order = np.argsort(-stated, kind="stable")
    sick = np.asarray(label, np.float64)[order]
    last = np.flatnonzero(np.append(np.diff(stated[order]) != 0, True))
    return stated[order][last], np.cumsum(sick)[last], np.cumsum(1 - sick)[last]


def _thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Indices of at most POINTS points of a path, both ends kept, evenly along its length."""
    if len(x) <= POINTS:
        return np.arange(len(x))
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, length[-1], POINTS)
    return np.unique(np.append(np.searchsorted(length, wanted[:-1]), len(x) - 1))


def tables(
    label: ArrayLike, probability: ArrayLike, threshold: float, bins: int, prior: float
) -> dict[str, str]:
    """Every table by its file name. `threshold`: of a decision; `prior`: of the probability."""
    return {
        "roc.csv": roc(label, probability),
        "precision_recall.csv": precision_recall(label, probability),
        "calibration.csv": reliability(label, probability, bins, prior),
        "confusion.csv": confusion(label, np.asarray(probability) >= threshold),
    }


def roc(label: ArrayLike, probability: ArrayLike) -> str:
    """Columns fpr, tpr, threshold; from (0, 0), where the threshold is above every image's."""
    thresholds, true, false = _sweep(label, probability)
    fpr = np.concatenate([[0.0], false / false[-1]])
    tpr = np.concatenate([[0.0], true / true[-1]])
    kept = _thinned(fpr, tpr)
    columns = (fpr, tpr, np.concatenate([[1.0], thresholds]))
    return csv(("fpr", "tpr", "threshold"), zip(*(c[kept].tolist() for c in columns), strict=True))


def precision_recall(label: ArrayLike, probability: ArrayLike) -> str:
    """Columns recall, precision, threshold; by falling threshold."""
    thresholds, true, false = _sweep(label, probability)
    recall, precision = true / true[-1], true / (true + false)
    kept = _thinned(recall, precision)
    columns = (recall, precision, thresholds)
    return csv(
        ("recall", "precision", "threshold"),
        zip(*(column[kept].tolist() for column in columns), strict=True),
    )


def reliability(label: ArrayLike, probability: ArrayLike, bins: int, prior: float) -> str:
    """Columns predicted, observed, perfect, images; at the prior of the probability."""
    return csv(
        ("predicted", "observed", "perfect", "images"),
        (
            (part.predicted, part.observed, part.predicted, part.images)
            for part in calibration.reliability(label, probability, bins, prior)
        ),
    )


def confusion(label: ArrayLike, positive: ArrayLike) -> str:
    """Columns actual, predicted; one row per image, as DVC's confusion template counts them."""
    pairs = zip(np.asarray(label, int).tolist(), np.asarray(positive, int).tolist(), strict=True)
    return csv(("actual", "predicted"), ((CLASS_NAMES[a], CLASS_NAMES[b]) for a, b in pairs))


def predictions(
    records: pd.DataFrame, logit: ArrayLike, probability: ArrayLike, threshold: float
) -> str:
    """Columns id, patient, kind, label, logit, probability, decision (0 or 1), split."""
    stated = np.asarray(probability, np.float64)
    table = records[["id", "patient", "kind", "label"]].assign(
        logit=np.asarray(logit, np.float64),
        probability=stated,
        decision=(stated >= threshold).astype(int),
        split=records["role"],
    )
    return str(table.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
