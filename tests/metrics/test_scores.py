import itertools
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as library

from stages.engine.arrays import Floats
from stages.metrics import scores
from stages.metrics.scores import Counts

GENERATOR = np.random.default_rng(3)
LABEL = GENERATOR.integers(0, 2, 120)
# One decimal: nearly every probability is a tie.
PROBABILITY = np.round(np.clip(0.3 * LABEL + GENERATOR.random(120) * 0.7, 0.01, 0.99), 1)
WEIGHT = GENERATOR.integers(0, 4, (5, 120)).astype(np.float64)
DECISION = PROBABILITY >= 0.5

Library = Callable[..., float]


@pytest.mark.parametrize(
    ("ours", "twin"),
    [
        (scores.auroc, library.roc_auc_score),
        (scores.average_precision, library.average_precision_score),
        (scores.brier, library.brier_score_loss),
        (scores.log_loss, library.log_loss),
    ],
)
def test_scores_of_probabilities_match_the_library(
    ours: Callable[..., Floats], twin: Library
) -> None:
    expected = [twin(LABEL, PROBABILITY, sample_weight=weight) for weight in WEIGHT]
    received = ours(LABEL, PROBABILITY, WEIGHT)
    assert received.dtype == np.float64
    np.testing.assert_allclose(received, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("accuracy", library.accuracy_score),
        ("balanced_accuracy", library.balanced_accuracy_score),
        ("sensitivity", library.recall_score),
        ("ppv", library.precision_score),
        ("f1", library.f1_score),
        ("mcc", library.matthews_corrcoef),
        ("specificity", lambda y, d, **w: library.recall_score(1 - y, ~d, **w)),
        ("npv", lambda y, d, **w: library.precision_score(1 - y, ~d, **w)),
    ],
)
def test_scores_of_decisions_match_the_library(name: str, twin: Library) -> None:
    expected = [twin(LABEL, DECISION, sample_weight=weight) for weight in WEIGHT]
    received = scores.decided(Counts.of(LABEL, DECISION, WEIGHT))[name]
    np.testing.assert_allclose(received, expected, rtol=1e-12)


def test_auroc_is_the_share_of_pairs_in_order_with_ties_half() -> None:
    pairs = [
        (float(sick > well) + float(sick == well) / 2)
        for sick, well in itertools.product(PROBABILITY[LABEL == 1], PROBABILITY[LABEL == 0])
    ]
    received = scores.auroc(LABEL, PROBABILITY, np.ones((1, len(LABEL))))
    assert received == pytest.approx([np.mean(pairs)], abs=1e-14)


def test_a_weight_is_a_repetition() -> None:
    times = WEIGHT[0].astype(int)
    repeated_label, repeated = np.repeat(LABEL, times), np.repeat(PROBABILITY, times)
    once = np.ones((1, len(repeated)))
    for score in (scores.auroc, scores.average_precision, scores.brier):
        np.testing.assert_allclose(
            score(LABEL, PROBABILITY, WEIGHT[:1]), score(repeated_label, repeated, once)
        )
    np.testing.assert_allclose(
        scores.ece(LABEL, PROBABILITY, WEIGHT[:1], 7), scores.ece(repeated_label, repeated, once, 7)
    )


def test_ece_matches_a_plain_loop() -> None:
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (PROBABILITY * 10).astype(int) == round(low * 10)
        if inside.any():
            gap = abs(PROBABILITY[inside].mean() - LABEL[inside].mean())
            expected += gap * inside.mean()
    received = scores.ece(LABEL, PROBABILITY, np.ones((1, len(LABEL))), 10)
    assert received == pytest.approx([expected], abs=1e-14)


def test_what_is_undefined_is_nan_and_nothing_warns() -> None:
    label, probability, weight = np.array([0, 1]), np.array([0.1, 0.2]), np.array([[1.0, 0.0]])
    counts = Counts.of(label, probability >= 0.5, weight)
    assert np.isnan(counts.ppv)
    assert np.isnan(counts.sensitivity)
    assert np.isnan(counts.balanced_accuracy)
    assert np.isnan(counts.f1)
    assert counts.npv == counts.specificity == 1.0
    assert counts.mcc == 0.0
    assert np.isnan(scores.auroc(label, probability, weight))
    assert np.isnan(scores.average_precision(label, probability, weight))


def test_certainty_falls_in_the_last_bin() -> None:
    np.testing.assert_array_equal(scores.bin_of(np.array([0.0, 0.49, 0.5, 1.0]), 2), [0, 0, 1, 1])
