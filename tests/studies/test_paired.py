"""Paired differences between two models."""

import numpy as np
import pandas as pd
import pytest

from stages.engine.errors import InputError
from stages.metrics import ranking
from stages.metrics.intervals import resample
from stages.studies.paired import Predicted, paired_differences
from tests.metrics.sample_images import OPTIONS, make

VAL, PROBABILITY = make(0, 40, 40)
TAIL = VAL.iloc[::2].reset_index(drop=True)
RECORDS = {"val": VAL, "val_tail": TAIL}


def predicted(noise: float, seed: int = 0) -> Predicted:
    stated = PROBABILITY + np.random.default_rng(seed).normal(0, noise, len(PROBABILITY))
    return Predicted({"val": stated, "val_tail": stated[::2]}, 0.3)


def auroc(records: pd.DataFrame, probability: np.ndarray) -> float:
    weight = np.ones((1, len(records)))
    return float(ranking.auroc(records["label"].to_numpy(), probability, weight)[0])


def test_a_model_does_not_differ_from_itself() -> None:
    for figure in paired_differences(RECORDS, predicted(0.1), predicted(0.1), OPTIONS).values():
        assert (figure.value, figure.low, figure.high) == (0, 0, 0)


def test_the_value_is_the_difference_on_the_images_as_they_are() -> None:
    first, second = predicted(0), predicted(0.4)
    found = paired_differences(RECORDS, first, second, OPTIONS)
    for role, records in RECORDS.items():
        expected = auroc(records, first.probability[role]) - auroc(
            records, second.probability[role]
        )
        assert found[f"{role}.auroc"].value == pytest.approx(expected)
        assert found[f"{role}.auroc"].low <= expected <= found[f"{role}.auroc"].high
    assert found["shift_auroc"].value == pytest.approx(found["val_tail.auroc"].value)
    assert found["val_tail.auroc"].low > 0


def test_pairing_narrows_the_interval() -> None:
    first, second = predicted(0.02), predicted(0.02, seed=1)
    found = paired_differences(RECORDS, first, second, OPTIONS)["val.auroc"]
    draws = resample(VAL["patient"], VAL["label"], seed=1, draws=200, confidence=0.95)
    label, stated = VAL["label"].to_numpy(), first.probability["val"]
    alone = draws.figures(lambda weight: {"auroc": ranking.auroc(label, stated, weight)})["auroc"]
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_other_images_cannot_be_paired() -> None:
    fewer = Predicted({"val": PROBABILITY[:-1], "val_tail": PROBABILITY[::2]}, 0.3)
    with pytest.raises(InputError, match="judged on the same validation images"):
        paired_differences(RECORDS, predicted(0), fewer, OPTIONS)


def test_intervals_cover_the_true_difference() -> None:
    """Of models whose scores are the same but for noise; the truth is that of many patients."""

    def draw(seed: int, patients: int) -> tuple[pd.DataFrame, Predicted, Predicted]:
        records, probability = make(seed, patients, patients)
        noise = np.random.default_rng(seed).normal(0, 0.2, len(probability))
        exact, noisy = ({"val": stated} for stated in (probability, probability + noise))
        return records, Predicted(exact, 0.3), Predicted(noisy, 0.3)

    records, exact, noisy = draw(0, 6000)
    truth = auroc(records, exact.probability["val"]) - auroc(records, noisy.probability["val"])
    covered = 0
    for study in range(1, 101):
        records, exact, noisy = draw(study, 40)
        found = paired_differences({"val": records}, exact, noisy, OPTIONS)["val.auroc"]
        covered += found.low <= truth <= found.high
    assert truth > 0.01
    assert 88 <= covered <= 99
