"""Properties of the scores; their values are compared in test_references.py."""

import numpy as np

from stages.metrics.decisions import Counts
from stages.metrics.probability import bin_of, brier, ece
from stages.metrics.ranking import auroc, average_precision

GENERATOR = np.random.default_rng(3)
LABEL = GENERATOR.integers(0, 2, 120)
# One decimal: nearly every probability is a tie.
PROBABILITY = np.round(np.clip(0.3 * LABEL + GENERATOR.random(120) * 0.7, 0.01, 0.99), 1)
WEIGHT = GENERATOR.integers(0, 4, (1, 120)).astype(np.float64)


def test_a_weight_is_a_repetition() -> None:
    times = WEIGHT[0].astype(int)
    repeated_label, repeated = np.repeat(LABEL, times), np.repeat(PROBABILITY, times)
    once = np.ones((1, len(repeated)))
    for score in (auroc, average_precision, brier):
        np.testing.assert_allclose(
            score(LABEL, PROBABILITY, WEIGHT), score(repeated_label, repeated, once)
        )
    np.testing.assert_allclose(
        ece(LABEL, PROBABILITY, WEIGHT, 7), ece(repeated_label, repeated, once, 7)
    )


def test_an_undefined_score_is_nan_without_a_warning() -> None:
    label, probability, weight = np.array([0, 1]), np.array([0.1, 0.2]), np.array([[1.0, 0.0]])
    counts = Counts.of(label, probability >= 0.5, weight)
    assert np.isnan(counts.ppv)
    assert np.isnan(counts.sensitivity)
    assert np.isnan(counts.balanced_accuracy)
    assert np.isnan(counts.f1)
    assert counts.npv == counts.specificity == 1.0
    assert counts.mcc == 0.0
    assert np.isnan(auroc(label, probability, weight))
    assert np.isnan(average_precision(label, probability, weight))


def test_a_certain_probability_falls_in_the_last_bin() -> None:
    np.testing.assert_array_equal(bin_of(np.array([0.0, 0.49, 0.5, 1.0]), 2), [0, 0, 1, 1])
