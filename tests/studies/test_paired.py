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
    ours, theirs = predicted(0), predicted(0.4)
    found = paired_differences(RECORDS, ours, theirs, OPTIONS)
    for role, records in RECORDS.items():
        expected = auroc(records, ours.probability[role]) - auroc(records, theirs.probability[role])
        assert found[f"{role}.auroc"].value == pytest.approx(expected)
        assert found[f"{role}.auroc"].low <= expected <= found[f"{role}.auroc"].high
    assert found["shift_auroc"].value == pytest.approx(found["val_tail.auroc"].value)
    assert found["val_tail.auroc"].low > 0


def test_pairing_narrows_the_interval() -> None:
    ours, theirs = predicted(0.02), predicted(0.02, seed=1)
    found = paired_differences(RECORDS, ours, theirs, OPTIONS)["val.auroc"]
    draws = resample(VAL["patient"], VAL["label"], seed=1, draws=200, confidence=0.95)
    label, stated = VAL["label"].to_numpy(), ours.probability["val"]
    alone = draws.figures(lambda weight: {"auroc": ranking.auroc(label, stated, weight)})["auroc"]
    assert found.high - found.low < (alone.high - alone.low) / 2


def test_other_images_can_not_be_paired() -> None:
    fewer = Predicted({"val": PROBABILITY[:-1], "val_tail": PROBABILITY[::2]}, 0.3)
    with pytest.raises(InputError, match="judged on the same validation images"):
        paired_differences(RECORDS, predicted(0), fewer, OPTIONS)
