"""A linear model's scores for images that it was not fitted on: ridge regression, out of fold.

The sums that the regression needs are integers below 2^53, which float64 adds exactly in any
order, on any machine and number of threads; a fold is left out by subtraction. Only solving the
equations rounds, far below the 6 decimals that are kept.
"""

import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.images.splits import shuffled

FOLDS = 5
# Of a standardised feature, as integers: fine enough to change no figure.
_PER_DEVIATION = 1000
_COLUMNS = 64  # at a time, and
_ROWS = 512  # at a time, so that memory does not follow the images in float64


def standardised(features: NDArray[Any]) -> NDArray[np.int32]:
    """Numbers (N, F) as thousandths of each column's standard deviation from its mean.

    NaN counts as the mean. Columns that do not vary are left out, so F may shrink, to 0 even.
    """
    found = [
        _thousandths(features[:, at : at + _COLUMNS])
        for at in range(0, features.shape[1], _COLUMNS)
    ]
    return np.hstack([np.empty((len(features), 0), np.int32), *found])


def _thousandths(features: NDArray[Any]) -> NDArray[np.int32]:
    features = features.astype(np.float64)
    known = np.isfinite(features)
    count = np.maximum(known.sum(axis=0), 1)
    mean = features.sum(axis=0, where=known) / count
    centred = np.where(known, features - mean, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / count)
    varies = deviation > 1e-9 * np.abs(mean)
    found = np.rint(centred[:, varies] * (_PER_DEVIATION / deviation[varies]))
    # A column of N numbers has none further than sqrt(N) deviations from its mean.
    return np.asarray(found, np.int32)


def one_thread_each() -> AbstractContextManager[None]:
    """While it lasts, an equation is solved by one thread: they are too small to share, and
    threads would wait for each other. Not to be entered by several threads at a time."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[None] = threadpool_limits(1)
    return limits


def out_of_fold(
    features: NDArray[Any],
    labels: NDArray[np.int64],
    groups: Sequence[str],
    *,
    salt: str,
    ridge: float,
    balanced: bool = False,
) -> NDArray[np.float64]:
    """Scores float64 (N,) of ridge regression on features, integers (N, F), each image's from the
    folds that its group is not in; 6 decimals.

    salt: which groups share a fold. ridge: share of the features' mean variance that is added to
    each: neighbours are collinear. balanced: both classes weigh the same. Otherwise a fold with
    more pneumonia images than the rest is scored lower than the rest, which shows where few
    groups have little to tell.
    """
    order = shuffled(set(groups), salt)
    fold_of = {group: number % FOLDS for number, group in enumerate(order)}
    folds = np.array([fold_of[group] for group in groups])
    sums = [
        [_sums(features, labels, (folds == fold) & (labels == label)) for label in (0, 1)]
        for fold in range(FOLDS)
    ]
    total = [functools.reduce(np.add, of_label) for of_label in zip(*sums, strict=True)]
    scores = np.empty(len(features))
    for fold in range(FOLDS):
        normal, pneumonia = (whole - part for whole, part in zip(total, sums[fold], strict=True))
        if balanced:
            normal, pneumonia = (
                normal / max(normal[0, 0], 1),
                pneumonia / max(pneumonia[0, 0], 1),
            )
        weights, offset = _fit(normal + pneumonia, ridge)
        mine = folds == fold
        scores[mine] = features[mine].astype(np.float64) @ weights + offset
    return np.round(scores, 6)


def _sums(
    features: NDArray[Any], labels: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Sums of products of [1, label, features] over the chosen images: (F + 2, F + 2)."""
    product = np.zeros((features.shape[1] + 2,) * 2)
    rows = np.flatnonzero(chosen)
    for at in range(0, len(rows), _ROWS):
        part = rows[at : at + _ROWS]
        ones = np.ones((len(part), 1))
        block = np.hstack([ones, labels[part, None], features[part].astype(np.float64)])
        product += block.T @ block
    return product


def _fit(sums: NDArray[np.float64], ridge: float) -> tuple[NDArray[np.float64], float]:
    """Weights (F,) and offset from the sums of products of [1, label, features]."""
    count = sums[0, 0]
    means = sums[0, 1:] / count
    covariance = sums[1:, 1:] / count - np.outer(means, means)
    inner = covariance[1:, 1:]
    penalty = ridge * np.trace(inner) / len(inner)
    weights = np.linalg.solve(inner + penalty * np.eye(len(inner)), covariance[1:, 0])
    return weights, float(means[0] - means[1:] @ weights)
