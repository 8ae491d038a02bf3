"""One optimisation step: targets, learning rates and weight decay."""

import itertools

import keras
import numpy as np
import pytest

from stages.network import fine_tune
from stages.network.model import build
from stages.network.step import AdamW, make_optimizer, targets_of
from tests.changed import changed
from tests.network.tiny import OPTIONS


def test_class_balance_and_smoothing() -> None:
    labels = np.array([1, 0, 0, 0])
    targets, weights = targets_of(labels, changed(OPTIONS, label_smoothing=0.2))
    np.testing.assert_allclose(targets, [0.9, 0.1, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(weights, [2, 2 / 3, 2 / 3, 2 / 3], rtol=1e-6)
    assert (targets.dtype, weights.dtype) == (np.float32, np.float32)
    _, plain = targets_of(labels, changed(OPTIONS, class_balance=False))
    np.testing.assert_array_equal(plain, np.ones(4))


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    options = changed(OPTIONS, warmup_epochs=2.0, epochs=10, learning_rate=0.01)
    tuned = fine_tune.Tuned([keras.Variable(np.zeros(2))], [1.0])
    schedule = make_optimizer(options, 5, tuned)._learning_rate
    rates = [float(schedule(step)) for step in range(51)]
    assert rates[0] == 0
    assert rates[5] == pytest.approx(0.005)
    assert rates[10] == max(rates) == pytest.approx(0.01)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[50] == pytest.approx(0, abs=1e-8)


def test_only_kernels_have_weight_decay() -> None:
    variables = build(OPTIONS, 32).trainable_variables
    decayed = {v.path for v in variables if AdamW.decays(v.value)}
    assert decayed == {v.path for v in variables if v.path.endswith("kernel")}
    assert 0 < len(decayed) < len(variables)
