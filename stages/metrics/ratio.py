"""Division for scores: NaN where a quotient is undefined."""

import numpy as np

from stages.engine.arrays import Floats


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide element by element, float64; NaN where the denominator is 0, without a warning."""
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator != 0))
