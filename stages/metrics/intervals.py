"""Intervals by resampling patients within class: a patient's images are drawn together.

Percentile bootstrap: B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter
13.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.engine.arrays import Floats
from stages.engine.files import DECIMALS

Score: TypeAlias = Callable[[Floats], dict[str, Floats]]
"""From weights, float64 (B, N), to scores by name, each float64 (B,)."""

_CHUNK_CELLS = 2_000_000
"""Of a weight matrix, expanded at once: 16 MB as float64."""


@dataclass(frozen=True)
class Figure:
    """A value and its interval; NaN where undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Draws:
    """Resamples of the patients behind N images.

    Attributes:
        times: How often each draw has each patient, uint16 (draws, patients).
        patient: The column in `times` of each image's patient, (N,).
        confidence: Level of the intervals, such as 0.95.
    """

    times: NDArray[np.uint16]
    patient: NDArray[np.intp]
    confidence: float

    def scores(self, score: Score) -> dict[str, Floats]:
        """Compute the scores of every draw, each float64 (draws,), in bounded memory."""
        step = max(1, _CHUNK_CELLS // max(1, len(self.patient)))
        parts = [
            score(self.times[first : first + step, self.patient].astype(np.float64))
            for first in range(0, len(self.times), step)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def figures(self, score: Score, patients: Mapping[str, int] | None = None) -> dict[str, Figure]:
        """Compute each score on the images as they are, with its percentile interval.

        Draws that leave a score undefined do not count towards its interval.

        Args:
            score: From weights to named scores.
            patients: For scores that are shares (or an AUROC), the number of independent patients
                behind them. Where such a score is exactly 0 or 1, so is every draw, and a
                percentile interval would claim certainty. The far bound is then the exact
                binomial one (Clopper and Pearson, Biometrika 26:404-413, 1934): a true share p
                gives n right out of n with probability p^n, hence low = (alpha / 2)^(1 / n). (An
                AUROC of 1 on m pairs of separate patients is no likelier than m shares right.)
        """
        values = score(np.ones((1, len(self.patient))))
        drawn = self.scores(score)
        return {
            name: self._figure(float(value[0]), drawn[name], (patients or {}).get(name, 0))
            for name, value in values.items()
        }

    def differences(self, first: Score, second: Score) -> dict[str, Figure]:
        """Compute paired differences, first minus second: a draw has the same images for both."""

        def difference(weight: Floats) -> dict[str, Floats]:
            minuends, subtrahends = first(weight), second(weight)
            return {name: minuends[name] - subtrahends[name] for name in minuends}

        return self.figures(difference)

    def _figure(self, value: float, drawn: Floats, patients: int) -> Figure:
        tail = (1 - self.confidence) / 2
        defined = drawn[np.isfinite(drawn)]
        if not np.isfinite(value) or not defined.size:
            return Figure(np.nan, np.nan, np.nan)
        low, high = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
        if patients and low == high == value in (0.0, 1.0):
            far = tail ** (1 / patients)
            low, high = (far, 1.0) if value else (0.0, 1 - far)
        return Figure(value, low, high)


def resample(
    patients: ArrayLike, label: ArrayLike, *, seed: int, draws: int, confidence: float
) -> Draws:
    """Draw patients with replacement, as many of each class as there are.

    A patient with images of both classes counts with pneumonia, and keeps all images together.

    Args:
        patients: The patient of each image (N,), of any type that sorts.
        label: 0 or 1 (N,).
        seed: Of the draws; the same seed and patients give the same draws.
        draws: How many.
        confidence: Level of the intervals that are made of them.
    """
    names, patient = np.unique(np.asarray(patients), return_inverse=True)
    sick = np.zeros(len(names), bool)
    sick[patient[np.asarray(label, bool)]] = True
    generator = np.random.default_rng(seed)
    times = np.zeros((draws, len(names)), np.uint16)
    for stratum in (np.flatnonzero(~sick), np.flatnonzero(sick)):
        if stratum.size:
            chosen = generator.integers(0, stratum.size, (draws, stratum.size))
            cell = chosen + stratum.size * np.arange(draws)[:, None]
            count = np.bincount(cell.ravel(), minlength=draws * stratum.size)
            times[:, stratum] = count.reshape(draws, stratum.size).astype(np.uint16)
    return Draws(times, patient.astype(np.intp), confidence)


def as_tree(figures: Mapping[str, Figure]) -> dict[str, dict[str, float]]:
    """Return figures as nested numbers, rounded to 6 decimals; undefined ones are left out."""
    return {
        name: {bound: round(number, DECIMALS) for bound, number in vars(figure).items()}
        for name, figure in figures.items()
        if np.isfinite(figure.value)
    }
