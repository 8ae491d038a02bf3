"""Platt scaling: a logistic regression of the label on the logit, in plain float64 sums."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import Floats

_MAX_STEPS, _CONVERGED, _FLAT = 100, 1e-12, 1e-9


def platt(positive: npt.NDArray[Any], negatives: list[npt.NDArray[Any]]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on the logit, classes weighing one half.

    The targets are those of Platt 1999: (n+ + 1) / (n+ + 2) and 1 / (n- + 2) instead of 1 and 0.

    Args:
        positive: Logits of positives (N,).
        negatives: Logits of negatives, of one kind each; the kinds weigh the same.
    """
    x = np.concatenate([positive, *negatives]).astype(np.float64)
    weight = np.concatenate(
        [np.full(len(positive), 0.5 / len(positive))]
        + [np.full(len(part), 0.5 / len(part) / len(negatives)) for part in negatives]
    )
    count = sum(map(len, negatives))
    target = np.full(len(x), 1 / (count + 2))
    target[: len(positive)] = (len(positive) + 1) / (len(positive) + 2)
    return weighted_logistic(x, target, weight)


def weighted_logistic(x: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Fit sigmoid(slope * x + intercept) by the weighted cross-entropy; slope and intercept.

    Newton's method, each step halved until the loss falls, in plain float64 sums: no library's
    solver, whose last bits depend on its kernels. Lin, Lin and Weng 2007, "A note on Platt's
    probabilistic outputs for support vector machines", Machine Learning 68:267-276.

    Args:
        x: Logits (N,), not all equal.
        target: Strictly between 0 and 1 (N,), so that the minimum is finite.
        weight: Above 0 (N,).
    """
    # On a unit scale and from a slope of 0, where the loss curves most.
    middle, scale = float(x.mean()), float(x.std())
    u = (x - middle) / scale

    def loss_at(slope: float, offset: float) -> float:
        z = slope * u + offset
        return float((weight * (np.logaddexp(0, z) - target * z)).sum())

    slope, offset = 0.0, 0.0
    loss = loss_at(slope, offset)
    for _ in range(_MAX_STEPS):
        chance = sigmoid(slope * u + offset)
        residual, curve = weight * (chance - target), weight * chance * (1 - chance)
        g_slope, g_offset = float((residual * u).sum()), float(residual.sum())
        h_slope, h_offset = float((curve * u * u).sum()), float(curve.sum())
        h_both = float((curve * u).sum())
        determinant = h_slope * h_offset - h_both * h_both
        step_slope = (h_offset * g_slope - h_both * g_offset) / determinant
        step_offset = (h_slope * g_offset - h_both * g_slope) / determinant
        share = 1.0
        # Near the minimum the loss is flat to its last bits, and full steps are taken.
        while loss_at(slope - share * step_slope, offset - share * step_offset) > loss + _FLAT:
            share /= 2
        slope, offset = slope - share * step_slope, offset - share * step_offset
        loss = loss_at(slope, offset)
        if max(abs(step_slope), abs(step_offset)) < _CONVERGED:
            break
    return slope / scale, offset - slope * middle / scale


def sigmoid(values: npt.NDArray[Any] | float) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + np.exp(-np.clip(values, -60, 60)))
