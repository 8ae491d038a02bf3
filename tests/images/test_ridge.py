"""Out-of-fold ridge regression against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stages.images import splits
from stages.images.nuisance import auroc
from stages.images.ridge import FOLDS, out_of_fold_scores, standardize


@pytest.mark.parametrize("balanced", [False, True])
def test_scores_are_ridge_regression_out_of_fold(balanced: bool) -> None:
    draws = np.random.default_rng(0)
    features = draws.integers(0, 256, (60, 5), dtype=np.uint8)
    labels = draws.integers(0, 2, 60)
    groups = [f"g{n // 2}" for n in range(60)]
    scores = out_of_fold_scores(features, labels, groups, salt="s", ridge=0.01, balanced=balanced)
    fold_of = {g: n % FOLDS for n, g in enumerate(splits.hash_order(set(groups), "s"))}
    folds = np.array([fold_of[group] for group in groups])
    for fold in range(FOLDS):
        mine, label = folds == fold, labels[folds != fold]
        rest = features[~mine].astype(float)
        weight = 1 / np.bincount(label)[label] if balanced else np.ones(len(label))
        centred = rest - np.average(rest, axis=0, weights=weight)
        spread = (weight[:, None] * centred**2).sum(axis=0).mean()
        naive = Ridge(alpha=0.01 * spread).fit(rest, label, sample_weight=weight)
        assert np.abs(scores[mine] - naive.predict(features[mine])).max() < 1e-5


def test_balanced_scores_of_noise_are_not_worse_than_chance() -> None:
    # Unbalanced, a fold rich in one class is scored by a model that expects the other.
    draws = np.random.default_rng(1)
    labels = draws.integers(0, 2, 40)
    groups = [str(number) for number in range(40)]

    def noise_auroc(salt: int, *, balanced: bool) -> float:
        noise = standardize(draws.normal(size=(40, 1)))
        scores = out_of_fold_scores(
            noise, labels, groups, salt=str(salt), ridge=100.0, balanced=balanced
        )
        return auroc(scores.tolist(), labels.tolist())

    assert np.mean([noise_auroc(salt, balanced=False) for salt in range(10)]) < 0.35
    assert np.mean([noise_auroc(salt, balanced=True) for salt in range(10)]) > 0.42


def test_standardized_features_are_thousandths_of_a_deviation() -> None:
    features = np.array([[1.0, 7.0, np.nan, 0.1], [3.0, 7.0, 4.0, 0.1], [5.0, 7.0, 8.0, 0.1]])
    found = standardize(features)
    assert found.dtype == np.int32
    # The second and fourth column do not vary; NaN counts as the mean.
    assert found.tolist() == [[-1225, 0], [0, -1000], [1225, 1000]]
    assert standardize(np.full((3, 2), np.nan)).shape == (3, 0)
