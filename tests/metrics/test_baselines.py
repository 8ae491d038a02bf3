import numpy as np
import pandas as pd
import pytest

from stages.metrics import baselines
from stages.metrics.ranking import auroc
from tests.metrics.sample_images import make


def images(seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Records, noise images whose left edge gives the class away, and labels."""
    records, _ = make(seed, 30, 40)
    label = records["label"].to_numpy()
    pixels = np.random.default_rng(seed).integers(0, 200, (len(label), 48, 48), dtype=np.uint8)
    pixels[label == 1, :, :4] += 40
    return records, pixels, label


def test_each_baseline_sees_only_what_it_is_named_after() -> None:
    records, pixels, _ = images(1)
    fitted = baselines.fit(records, pixels)
    others, unseen, label = images(2)
    stated = fitted.probabilities(others, unseen)
    assert list(stated) == ["always_positive", "encoding", "shape", "frame", "thumbnail"]
    once = np.ones((1, len(label)))
    reached = {name: float(auroc(label, p, once)[0]) for name, p in stated.items()}
    assert reached["always_positive"] == 0.5
    assert reached["encoding"] == reached["shape"] == 1.0
    assert min(reached["frame"], reached["thumbnail"]) > 0.9
    for probability in stated.values():
        assert probability.dtype == np.float64
        assert probability.shape == label.shape
        assert 0 <= probability.min() <= probability.max() <= 1


def test_images_without_the_cue_leave_the_baseline_at_chance() -> None:
    records, pixels, _ = images(1)
    fitted = baselines.fit(records, pixels)
    others, _, label = images(2)
    blank = np.random.default_rng(0).integers(0, 200, (len(label), 48, 48), dtype=np.uint8)
    stated = fitted.probabilities(others, blank)["thumbnail"]
    assert auroc(label, stated, np.ones((1, len(label))))[0] == pytest.approx(0.5, abs=0.15)


def test_facts_that_are_missing_are_no_cue() -> None:
    # A re-acquired image has no bytes of its own.
    records, pixels, _ = images(1)
    fitted = baselines.fit(records, pixels)
    others = records.copy()
    others["bytes"] = np.nan
    assert np.isfinite(fitted.probabilities(others, pixels)["encoding"]).all()


def test_probabilities_are_rounded_so_that_last_bits_rank_no_image() -> None:
    records, pixels, _ = images(1)
    stated = baselines.fit(records, pixels).probabilities(records, pixels)
    for name in set(stated) - {baselines.ALWAYS}:
        np.testing.assert_array_equal(stated[name], np.round(stated[name], 9))


def test_two_fits_are_equal_to_the_last_bit() -> None:
    records, pixels, _ = images(1)
    first, again = (baselines.fit(records, pixels).probabilities(records, pixels) for _ in "ab")
    for name, probability in first.items():
        np.testing.assert_array_equal(probability, again[name])
