"""Calibration: are images with probability 0.8 pneumonia eight times in ten?

The probability is stated at a prior, so it is judged at that prior (the classes re-weighted to
it) and, beside it, at the prevalence of the images as they are. Arguments and shapes are those of
`stages.metrics.ranking`.
"""

import numpy as np
from numpy.typing import ArrayLike

from stages.engine.arrays import Floats
from stages.metrics.ratio import ratio

_MAX_STEPS = 50
_CONVERGED = 1e-9
"""Largest last step, in either coefficient, of a fit that has converged."""


def at_prior(label: ArrayLike, weight: Floats, prior: float) -> Floats:
    """Scale weights within class so that pneumonia weighs `prior` and normal 1 - prior.

    Args:
        label: 0 or 1 (N,).
        weight: float64 (B, N).
        prior: Share of pneumonia, 0 to 1.

    Returns:
        The weights, float64 (B, N); NaN for a weighting in which a class has no weight.
    """
    sick = np.asarray(label, bool)
    share = np.where(
        sick,
        ratio(np.full(len(weight), prior), weight[:, sick].sum(axis=1))[:, None],
        ratio(np.full(len(weight), 1 - prior), weight[:, ~sick].sum(axis=1))[:, None],
    )
    return weight * share


def logit(probability: ArrayLike) -> Floats:
    """Return log(p / (1 - p)), float64 (N,), with p kept 1e-12 off 0 and 1."""
    kept = np.clip(np.asarray(probability, np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def intercept(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Calibration in the large: a in logit P(sick) = a + logit(p); 0 is ideal.

    Above 0, pneumonia is more frequent than the probabilities claim. Van Calster et al., BMC
    Medicine 17:230, 2019. NaN where a class has no weight.
    """
    return _recalibrate(label, probability, weight, free_slope=False)[0]


def slope(label: ArrayLike, probability: ArrayLike, weight: Floats) -> Floats:
    """Calibration slope: b in logit P(sick) = a + b logit(p); 1 is ideal.

    Below 1, the probabilities are too extreme. Same source. NaN where the classes do not overlap:
    the likelihood then has no maximum.
    """
    return _recalibrate(label, probability, weight, free_slope=True)[1]


def _recalibrate(
    label: ArrayLike, probability: ArrayLike, weight: Floats, *, free_slope: bool
) -> tuple[Floats, Floats]:
    """Fit (a, b) by Newton's method on the logistic likelihood, for all weightings at once."""
    sick, x = np.asarray(label, np.float64), logit(probability)
    # From a slope of 0 on a unit scale, where the likelihood curves most, Newton does not run off.
    scale = max(float(np.sqrt(np.mean(x**2))), 1e-6) if free_slope else 1.0
    x = x / scale
    share = ratio(weight, weight.sum(axis=1, keepdims=True))
    a = np.zeros(len(weight))
    b = np.zeros(len(weight)) if free_slope else np.ones(len(weight))
    step = np.full((2, len(weight)), np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_MAX_STEPS):
            fitted = 1 / (1 + np.exp(-(a[:, None] + b[:, None] * x)))
            residual = share * (sick - fitted)
            curve = share * fitted * (1 - fitted)
            gradient_a, h_aa = residual.sum(axis=1), curve.sum(axis=1)
            if free_slope:
                h_ab, h_bb = curve @ x, curve @ x**2
                gradient_b, determinant = residual @ x, h_aa * h_bb - h_ab**2
                step_a = ratio(h_bb * gradient_a - h_ab * gradient_b, determinant)
                step_b = ratio(h_aa * gradient_b - h_ab * gradient_a, determinant)
                step = np.stack([step_a, step_b])
            else:
                step = np.stack([ratio(gradient_a, h_aa), np.zeros(len(weight))])
            # Far from the maximum a full step overshoots; near it the clip changes nothing.
            step = np.clip(step, -2.0, 2.0)
            a, b = a + step[0], b + step[1]
            if not (np.abs(step) > _CONVERGED).any():
                break
    converged = (np.abs(step) <= _CONVERGED).all(axis=0)
    return np.where(converged, a, np.nan), np.where(converged, b / scale, np.nan)
