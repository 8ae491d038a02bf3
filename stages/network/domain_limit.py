"""From the parts of a domain's score on validation images to the limit that refuses a share."""

from collections.abc import Sequence

import numpy as np

from stages.engine.arrays import Floats

_TAIL = 0.1


def ranges(pools: Sequence[Floats], share: float) -> tuple[Floats, Floats, float]:
    """Middle and spread of each part, and the limit of their maximum that refuses `share`.

    Positives and negatives weigh the same, and among these natural and matched ones.

    Args:
        pools: Parts (N, K + 1) of positives, then of one or more kinds of negatives.
        share: Of proper images that may be refused.
    """
    sizes = [0.5, *[0.5 / (len(pools) - 1)] * (len(pools) - 1)]
    weights = np.concatenate(
        [np.full(len(pool), size / len(pool)) for pool, size in zip(pools, sizes, strict=True)]
    )
    parts = np.concatenate(pools)
    middle = np.array([_quantile(part, weights, 0.5) for part in parts.T])
    ends = np.array([upper_end(part, weights, share) for part in parts.T])
    spread = np.maximum(ends - middle, 1e-6 * np.maximum(np.abs(middle), 1.0))
    limit = upper_end(((parts - middle) / spread).max(axis=1), weights, share)
    return middle, spread, limit


def upper_end(values: Floats, weights: Floats, share: float) -> float:
    """Estimate the value that `share` of a distribution exceeds, with nine significant digits.

    The tail beyond the upper tenth is taken as exponential with the mean excess of its values (the
    generalised Pareto distribution of shape 0; Pickands 1975, Annals of Statistics 3:119-131). A
    quantile of a hundred images would hang on the two largest.

    Args:
        values: A sample (N,).
        weights: Of the values (N,), with sum 1.
        share: Above 0.
    """
    start = _quantile(values, weights, 1 - max(_TAIL, share))
    beyond = values > start
    tail = weights[beyond].sum()
    if tail <= share:
        return float(f"{start:.9g}")
    excess = (weights[beyond] * (values[beyond] - start)).sum() / tail
    return float(f"{start + excess * np.log(tail / share):.9g}")


def _quantile(values: Floats, weights: Floats, level: float) -> float:
    """The least value at which the weights, in the values' order, add up to `level`."""
    order = np.argsort(values, kind="stable")
    reached = np.searchsorted(np.cumsum(weights[order]), level - 1e-12)
    return float(values[order][min(int(reached), len(values) - 1)])
