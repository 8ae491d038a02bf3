"""From the parts of a domain's score to their ranges, and to the limit that refuses a share.

The ranges of the parts are those on training images, of which there are many; each is too narrow,
since the parts were fitted there, but all about equally. One number, the limit, is then estimated
on validation images: with every range estimated there, too many new images are refused
(docs/log.md).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import Floats

Classes = npt.NDArray[np.intp]

_TAIL = 0.05


def class_ranges(parts: Floats, nearer: Classes, share: float) -> tuple[Floats, Floats]:
    """Middle of each part and distance to its upper end, by the class that images are nearer to.

    Args:
        parts: Of training images, (N, K).
        nearer: The class that each is nearer to, 0 or 1 (N,).
        share: Of images beyond the upper end.

    Returns:
        float64 (2, K) each.
    """
    ranges = [_ranges(parts[nearer == label], share) for label in (0, 1)]
    middle, spread = (np.stack(bounds) for bounds in zip(*ranges, strict=True))
    return middle, spread


def _ranges(parts: Floats, share: float) -> tuple[Floats, Floats]:
    if not len(parts):  # a network that tells nothing apart
        return np.zeros(parts.shape[1]), np.ones(parts.shape[1])
    weights = equal_weights([len(parts)])
    middle = np.array([_quantile(part, weights, 0.5) for part in parts.T])
    ends = np.array([upper_end(part, weights, share) for part in parts.T])
    return middle, np.maximum(ends - middle, 1e-6 * np.maximum(np.abs(middle), 1.0))


def limit(pools: Sequence[Floats], share: float) -> float:
    """Find the score beyond which `share` of proper images lie.

    Positives and negatives weigh the same, and among these natural and matched ones.

    Args:
        pools: Scores (N,) of positives, then of one or more kinds of negatives.
        share: Of proper images that may be refused.
    """
    positives, *negatives = map(len, pools)
    weights = np.concatenate([equal_weights([positives]), equal_weights(negatives)]) / 2
    return upper_end(np.concatenate(pools), weights, share)


def equal_weights(sizes: Sequence[int]) -> Floats:
    """Weights of the members of some groups that all weigh the same, with sum 1."""
    return np.concatenate([np.full(size, 1 / size / len(sizes)) for size in sizes])


def upper_end(values: Floats, weights: Floats, share: float) -> float:
    """Estimate the value that `share` of new values exceed, with nine significant digits.

    The tail beyond the upper 5% is taken as exponential (the generalised Pareto distribution of
    shape 0; Pickands 1975, Annals of Statistics 3:119-131), with the mean excess of the n values
    there. Since that mean is an estimate, the end is that of the predictive distribution, which
    exceeds x with probability (1 + x / (n mean))^-n. A quantile of a hundred images would hang on
    the largest two.

    Args:
        values: A sample (N,).
        weights: Of the values (N,), with sum 1.
        share: Above 0.
    """
    start = _quantile(values, weights, 1 - max(_TAIL, share))
    beyond = weights[values > start]
    tail = beyond.sum()
    if tail <= share:
        return float(f"{start:.9g}")
    mean = (beyond * (values[values > start] - start)).sum() / tail
    count = tail**2 / (beyond**2).sum()  # of values that weigh the same: Kish 1965
    return float(f"{start + count * mean * ((tail / share) ** (1 / count) - 1):.9g}")


def _quantile(values: Floats, weights: Floats, level: float) -> float:
    """The least value at which the weights, in the values' order, add up to `level`."""
    order = np.argsort(values, kind="stable")
    reached = np.searchsorted(np.cumsum(weights[order]), level - 1e-12)
    return float(values[order][min(int(reached), len(values) - 1)])
