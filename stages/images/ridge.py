"""Ridge regression scores out of fold: each image is scored by a model that was not fitted on it.

The sums that the regression needs are integers below 2^53, which float64 adds exactly in any
order, on any machine and with any number of threads; a fold is left out by subtraction. Only the
solution of the equations is rounded, far below the 6 decimals that are kept.
"""

import functools
from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats, Labels, Numbers
from stages.images.splits import hash_order

FOLDS = 5
# Integer steps per standard deviation: fine enough to change no figure.
_STEPS = 1000
# Converted to float64 at a time, to bound memory.
_COLUMNS, _ROWS = 64, 512


def standardize(features: Numbers) -> NDArray[np.int32]:
    """Standardise each column, in thousandths of its standard deviation from its mean.

    Args:
        features: (N, F). NaN counts as the mean.

    Returns:
        int32 (N, F'), where columns that do not vary are left out; F' may be 0.
    """
    blocks = [
        _standardize_block(features[:, start : start + _COLUMNS])
        for start in range(0, features.shape[1], _COLUMNS)
    ]
    return np.hstack([np.empty((len(features), 0), np.int32), *blocks])


def _standardize_block(features: Numbers) -> NDArray[np.int32]:
    values = features.astype(np.float64)
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = values.sum(axis=0, where=known) / count
    centred = np.where(known, values - mean, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / count)
    varies = deviation > 1e-9 * np.abs(mean)
    # It fits: of N numbers, none is further than sqrt(N) standard deviations from their mean.
    steps = np.rint(centred[:, varies] * (_STEPS / deviation[varies]))
    return np.asarray(steps, np.int32)


def single_threaded_blas() -> AbstractContextManager[None]:
    """Solve equations with one thread each within this context, which threads may not enter twice.

    The equations are too small to share: the threads would wait for each other.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[None] = threadpool_limits(1)
    return limits


def out_of_fold_scores(
    features: Numbers,
    labels: Labels,
    groups: Sequence[str],
    *,
    salt: str,
    ridge: float,
    balanced: bool = False,
) -> Floats:
    """Fit ridge regression on all folds but one and score that one, for each of 5 folds.

    Args:
        features: Integers (N, F).
        labels: 0 or 1 (N,).
        groups: Group of each image (N,); a group is never split between folds.
        salt: Decides which groups share a fold.
        ridge: Added to each feature's variance, as a share of their mean variance; neighbouring
            pixels are collinear.
        balanced: Give both classes the same weight. Otherwise a fold with more pneumonia images
            than the rest is scored lower than the rest, which matters where there are few groups
            and little to learn.

    Returns:
        float64 (N,), rounded to 6 decimals.
    """
    folds = _assign_folds(groups, salt)
    # By fold and class, so that each class can be weighted.
    sums = [
        [_product_sums(features, labels, (folds == fold) & (labels == label)) for label in (0, 1)]
        for fold in range(FOLDS)
    ]
    totals = [functools.reduce(np.add, of_class) for of_class in zip(*sums, strict=True)]
    scores = np.empty(len(features))
    for fold in range(FOLDS):
        rest = [total - part for total, part in zip(totals, sums[fold], strict=True)]
        if balanced:
            rest = [class_sums / max(class_sums[0, 0], 1) for class_sums in rest]
        weights, offset = _solve(rest[0] + rest[1], ridge)
        scored = folds == fold
        scores[scored] = features[scored].astype(np.float64) @ weights + offset
    return np.round(scores, 6)


def _assign_folds(groups: Sequence[str], salt: str) -> NDArray[np.int64]:
    order = hash_order(set(groups), salt)
    fold_of = {group: number % FOLDS for number, group in enumerate(order)}
    return np.array([fold_of[group] for group in groups])


def _product_sums(features: Numbers, labels: Labels, selected: Flags) -> Floats:
    """Sum the outer products of [1, label, features] over the selected images: (F + 2, F + 2)."""
    total = np.zeros((features.shape[1] + 2,) * 2)
    rows = np.flatnonzero(selected)
    for start in range(0, len(rows), _ROWS):
        chunk = rows[start : start + _ROWS]
        ones = np.ones((len(chunk), 1))
        block = np.hstack([ones, labels[chunk, None], features[chunk].astype(np.float64)])
        total += block.T @ block
    return total


def _solve(sums: Floats, ridge: float) -> tuple[Floats, float]:
    """Return weights (F,) and offset from the sums of products of [1, label, features]."""
    count = sums[0, 0]
    means = sums[0, 1:] / count
    covariance = sums[1:, 1:] / count - np.outer(means, means)
    feature_covariance = covariance[1:, 1:]
    penalty = ridge * np.trace(feature_covariance) / len(feature_covariance)
    regularized = feature_covariance + penalty * np.eye(len(feature_covariance))
    weights = np.linalg.solve(regularized, covariance[1:, 0])
    return weights, float(means[0] - means[1:] @ weights)
