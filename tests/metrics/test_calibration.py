import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from stages.metrics import calibration
from stages.metrics.probability import brier

GENERATOR = np.random.default_rng(5)
PROBABILITY = GENERATOR.random(400) * 0.98 + 0.01
LABEL = (GENERATOR.random(400) < PROBABILITY).astype(int)
ONES = np.ones((1, 400))


def test_slope_matches_scikit_learn_in_any_weighting() -> None:
    weight = GENERATOR.integers(0, 3, (3, 400)).astype(np.float64)
    feature = calibration.logit(PROBABILITY)[:, None]
    expected = [
        LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        .fit(feature, LABEL, sample_weight=row)
        .coef_[0, 0]
        for row in weight
    ]
    np.testing.assert_allclose(calibration.slope(LABEL, PROBABILITY, weight), expected, rtol=1e-5)


def test_intercept_makes_the_mean_probability_the_prevalence() -> None:
    # The defining property of calibration in the large.
    for shift, stretch in [(-3.0, 1.0), (0.0, 1.0), (2.0, 1.0), (6.0, 4.0)]:
        stated = 1 / (1 + np.exp(-(stretch * calibration.logit(PROBABILITY) + shift)))
        found = calibration.intercept(LABEL, stated, ONES)
        corrected = 1 / (1 + np.exp(-(calibration.logit(stated) + found[0])))
        assert corrected.mean() == pytest.approx(LABEL.mean(), abs=1e-9)


def test_the_truth_is_calibrated_and_a_sharpened_truth_is_not() -> None:
    assert calibration.slope(LABEL, PROBABILITY, ONES)[0] == pytest.approx(1.0, abs=0.3)
    assert calibration.intercept(LABEL, PROBABILITY, ONES)[0] == pytest.approx(0.0, abs=0.3)
    sharp = 1 / (1 + np.exp(-3 * calibration.logit(PROBABILITY)))
    right = calibration.slope(LABEL, PROBABILITY, ONES)
    np.testing.assert_allclose(calibration.slope(LABEL, sharp, ONES), right / 3, rtol=1e-6)


def test_slope_of_classes_that_do_not_overlap_is_undefined() -> None:
    label = np.array([0, 0, 1, 1])
    slope = calibration.slope(label, np.array([0.1, 0.2, 0.8, 0.9]), np.ones((1, 4)))
    assert np.isnan(slope)


def test_re_weighting_to_a_prior_is_repeating_the_rarer_class() -> None:
    label = np.array([0, 1, 1, 1])
    probability = np.array([0.4, 0.3, 0.6, 0.9])
    weight = calibration.at_prior(label, np.ones((1, 4)), 0.5)
    np.testing.assert_allclose(weight, [[0.5, 0.5 / 3, 0.5 / 3, 0.5 / 3]])
    repeated = np.array([0, 0, 0, 1, 1, 1])
    at_even = brier(repeated, probability[[0, 0, 0, 1, 2, 3]], np.ones((1, 6)))
    np.testing.assert_allclose(brier(label, probability, weight), at_even)
