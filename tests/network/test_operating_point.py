import json
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.engine.files import write_json
from stages.network import operating_point, platt
from stages.network.operating_point import OperatingPoint, Pool


def gaussian_pool(
    positives: int, negatives: int, *, at: float = 2.0, normals_at: float = 0.0, seed: int = 0
) -> Pool:
    """Return logits with unit variance: pneumonia around `at`, normals around `normals_at`."""
    rng = np.random.default_rng([seed, positives, negatives])
    logits = np.concatenate(
        [rng.normal(at, 1, positives), rng.normal(normals_at, 1, negatives)]
    ).astype(np.float32)
    labels = np.repeat([1, 0], [positives, negatives])
    return Pool(logits, labels, np.arange(len(labels)).astype(str))


def cut(point: OperatingPoint, name: str) -> float:
    """The logit of a threshold."""
    p = point.thresholds[name]
    return float((np.log(p / (1 - p)) - point.intercept) / point.slope)


def test_equal_error_lies_midway_between_equal_gaussians() -> None:
    point = operating_point.fit({"val": gaussian_pool(3000, 1000)}, seed=0)
    assert cut(point, "decision") == pytest.approx(1.0, abs=0.06)
    assert point.fitted_on == ("val",)


def test_the_decision_threshold_is_a_probability_of_one_half() -> None:
    point = operating_point.fit({"val": gaussian_pool(80, 40)}, seed=0)
    assert point.thresholds["decision"] == pytest.approx(0.5, abs=1e-12)
    at = np.array([cut(point, "decision")])
    assert point.probability(at) == pytest.approx(0.5)


def test_matched_normals_have_half_the_weight_whatever_their_number() -> None:
    natural = gaussian_pool(2000, 400, at=3.0)
    shifted = gaussian_pool(0, 4000, normals_at=1.5)
    point = operating_point.fit({"val": natural, "val_matched": shifted}, seed=0)
    assert point.fitted_on == ("val", "val_matched")
    # At the cut, the share of missed pneumonia equals the mean false positive rate of both groups.
    normal = NormalDist()
    grid = np.linspace(0, 3, 3001)
    gap = [normal.cdf(c - 3) - (normal.cdf(-c) + normal.cdf(1.5 - c)) / 2 for c in grid.tolist()]
    expected = grid[np.searchsorted(gap, 0)]
    assert cut(point, "decision") == pytest.approx(expected, abs=0.08)
    doubled = replace(
        shifted,
        logits=np.tile(shifted.logits, 2),
        labels=np.tile(shifted.labels, 2),
        patients=np.tile(shifted.patients, 2),
    )
    again = operating_point.fit({"val": natural, "val_matched": doubled}, seed=0)
    assert cut(again, "decision") == pytest.approx(cut(point, "decision"), abs=0.05)
    assert again.slope == pytest.approx(point.slope, rel=1e-3)


def test_other_roles_are_not_fitted_on() -> None:
    pools = {"val": gaussian_pool(60, 60), "val_tail": gaussian_pool(0, 60, normals_at=9.0)}
    assert operating_point.fit(pools, seed=0) == operating_point.fit({"val": pools["val"]}, seed=0)


def test_platt_scaling_agrees_with_a_library_on_many_images() -> None:
    from sklearn.linear_model import LogisticRegression

    pool = gaussian_pool(6000, 2000)
    slope, intercept = platt.platt(pool.logits[pool.labels == 1], [pool.logits[pool.labels == 0]])
    logistic = LogisticRegression(C=1e8, class_weight="balanced")
    logistic.fit(pool.logits[:, None].astype(np.float64), pool.labels)
    assert slope == pytest.approx(float(logistic.coef_[0, 0]), abs=0.02)
    assert intercept == pytest.approx(float(logistic.intercept_[0]), abs=0.02)
    assert slope == pytest.approx(2, abs=0.1)  # equal unit Gaussians: log odds are 2 x - 2


def test_platt_scaling_stays_finite_for_separable_classes() -> None:
    point = operating_point.fit({"val": gaussian_pool(40, 20, at=40.0)}, seed=0)
    assert 0 < point.slope < 1
    chances = point.probability(np.array([0.0, 40.0]))
    assert 0 < chances[0] < 0.1 < 0.9 < chances[1] < 1


@pytest.mark.parametrize("at", [-3.0, 0.1, 2.0, 40.0])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-3, 5.0), (1e4, -1e4), (1.0, 1e3)])
def test_the_gradient_of_the_loss_vanishes_where_platt_scaling_stops(
    at: float, scale: float, shift: float
) -> None:
    pool = gaussian_pool(300, 100, at=at)
    x = scale * pool.logits.astype(np.float64) + shift
    target = np.where(pool.labels == 1, 301 / 302, 1 / 102)
    weight = np.where(pool.labels == 1, 0.5 / 300, 0.5 / 100)
    slope, intercept = platt.weighted_logistic(x, target, weight)
    residual = weight * (1 / (1 + np.exp(-(slope * x + intercept))) - target)
    assert abs(residual.sum()) < 1e-9
    assert abs((residual * (x - x.mean()) / x.std()).sum()) < 1e-9


def test_the_last_bits_of_an_exponential_do_not_reach_the_operating_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = {"val": gaussian_pool(80, 60), "val_matched": gaussian_pool(0, 90, normals_at=1.0)}
    expected = [operating_point.fit(pools, seed=0, sensitivity=s) for s in (None, 0.9)]
    sigmoid, rng = platt.sigmoid, np.random.default_rng(0)

    def noisy(values: object) -> object:
        exact = np.asarray(sigmoid(values))  # type: ignore[arg-type]
        return exact * (1 + 4e-16 * rng.integers(-1, 2, exact.shape))

    for module in (operating_point, platt):
        monkeypatch.setattr(module, "sigmoid", noisy)
    for point in expected:
        assert operating_point.fit(pools, seed=0, sensitivity=point.sensitivity) == point


@pytest.mark.parametrize("count", [20, 41, 97, 98, 99, 100])
@pytest.mark.parametrize("matched", [False, True])
def test_named_points_reach_their_level(count: int, matched: bool) -> None:
    pools = {"val": gaussian_pool(count, count)}
    if matched:
        pools["val_matched"] = gaussian_pool(0, 5 * count, normals_at=1.0)
    point = operating_point.fit(pools, seed=0)
    val = pools["val"]
    strict = pools["val_matched"] if matched else val
    found = point.probability(val.logits[val.labels == 1]) >= point.thresholds["screening"]
    spared = point.probability(strict.logits[strict.labels == 0]) < point.thresholds["rule_in"]
    assert 0.95 <= found.mean() < 0.95 + 1.5 / count + 1e-9
    assert 0.95 <= spared.mean() < 0.95 + 2.5 / len(spared) + 1e-9
    assert point.thresholds["screening"] < point.thresholds["rule_in"]


def test_the_seed_decides_and_images_of_a_patient_stay_together() -> None:
    pool = gaussian_pool(30, 30)
    assert operating_point.fit({"val": pool}, seed=1) == operating_point.fit({"val": pool}, seed=1)
    one = replace(pool, patients=np.where(pool.labels == 1, "a", "b"))
    rng = np.random.default_rng(0)
    redrawn = operating_point._redrawn(one, 1, rng)  # the one patient, always whole
    np.testing.assert_array_equal(np.sort(redrawn), np.sort(pool.logits[:30]))


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.97])
def test_a_share_of_positives_sets_the_decision(level: float) -> None:
    pools = {"val": gaussian_pool(2000, 500, at=4.5), "val_matched": gaussian_pool(0, 2500)}
    point = operating_point.fit(pools, seed=0, sensitivity=level)
    assert point.sensitivity == level
    found = point.probability(pools["val"].logits[:2000]) >= point.thresholds["decision"]
    assert found.mean() == pytest.approx(level, abs=0.01)
    # The normals that the calibration saw are shifted until as many of them lie below the cut.
    assert point.shift is not None
    assert point.shift > 0
    shifted = np.concatenate([pool.logits[pool.labels == 0] for pool in pools.values()])
    below = point.probability(shifted + point.shift) < point.thresholds["decision"]
    assert below.mean() == pytest.approx(level, abs=0.01)
    assert cut(point, "screening") <= cut(point, "decision") + 1e-6
    assert cut(point, "rule_in") >= cut(point, "decision") - 1e-6


def test_calibration_is_that_of_the_shifted_normals() -> None:
    pool = gaussian_pool(6000, 6000, at=4.0)
    level = NormalDist().cdf(1.0)  # of the pair at 4 and 2, whose log odds are 2 x - 6
    point = operating_point.fit({"val": pool}, seed=0, sensitivity=level)
    assert point.shift == pytest.approx(2, abs=0.1)
    assert point.slope == pytest.approx(2, abs=0.1)
    assert point.intercept == pytest.approx(-6, abs=0.3)


def test_normals_are_never_taken_for_easier_than_they_are() -> None:
    pool = gaussian_pool(2000, 500, at=1.0)  # equal error at a sensitivity of 0.69
    point = operating_point.fit({"val": pool}, seed=0, sensitivity=0.95)
    assert point.shift == 0
    assert point.slope == operating_point.fit({"val": pool}, seed=0).slope


def test_a_decision_without_a_share_is_written_as_before(tmp_path: Path) -> None:
    pool = {"val": gaussian_pool(80, 60)}
    assert {"sensitivity", "shift"}.isdisjoint(operating_point.fit(pool, seed=0).to_json())
    point = operating_point.fit(pool, seed=0, sensitivity=0.9)
    write_json(tmp_path / "operating_point.json", point.to_json())
    assert operating_point.load(tmp_path / "operating_point.json") == point


@pytest.mark.parametrize("scores", [0.25, np.nan])
def test_scores_without_information_are_refused(scores: float) -> None:
    pool = replace(gaussian_pool(10, 10), logits=np.full(20, scores, np.float32))
    with pytest.raises(InputError, match="expected validation scores that are finite and differ"):
        operating_point.fit({"val": pool}, seed=0)


def test_inverted_scores_are_refused() -> None:
    pool = gaussian_pool(50, 50, at=-2.0)
    with pytest.raises(InputError, match="received the opposite"):
        operating_point.fit({"val": pool}, seed=0)


POINT = OperatingPoint(
    2.0, -1.0, 0.5, {"decision": 0.5, "screening": 0.2, "rule_in": 0.9}, ("val",)
)


def test_probability_is_a_sigmoid_and_never_overflows() -> None:
    chances = POINT.probability(np.array([0.5, 1.5, 1e30, -1e30], np.float32))
    assert chances.dtype == np.float64
    np.testing.assert_allclose(chances[:2], [0.5, 1 / (1 + np.exp(-2))])
    assert chances[2] == pytest.approx(1)
    assert chances[3] == pytest.approx(0)


def test_an_operating_point_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "operating_point.json", POINT.to_json())
    assert operating_point.load(tmp_path / "operating_point.json") == POINT


GOOD = POINT.to_json()
BROKEN = {
    "other format": {**GOOD, "format": 2},
    "no format": {key: value for key, value in GOOD.items() if key != "format"},
    "a list": [1, 2],
    "no slope": {key: value for key, value in GOOD.items() if key != "slope"},
    "slope in words": {**GOOD, "slope": "steep"},
    "slope null": {**GOOD, "slope": None},
    "no decision": {**GOOD, "thresholds": {"screening": 0.2}},
    "thresholds in words": {**GOOD, "thresholds": "high"},
    "one key more": {**GOOD, "rule": "equal error"},
    "no roles": {key: value for key, value in GOOD.items() if key != "fitted_on"},
    "not a number": {**GOOD, "slope": float("nan")},
    "threshold out of range": {**GOOD, "thresholds": {**POINT.thresholds, "decision": 5}},
    "threshold of text": {**GOOD, "thresholds": {**POINT.thresholds, "screening": "0.2"}},
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_any_other_content_is_refused_by_name(tmp_path: Path, content: object) -> None:
    path = tmp_path / "operating_point.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"operating_point\.json: expected an operating point"):
        operating_point.load(path)


def test_a_missing_or_unreadable_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "operating_point.json"
    with pytest.raises(InputError, match=r"operating_point\.json: expected a file, found none"):
        operating_point.load(path)
    path.write_text('{"format": 1, ')
    with pytest.raises(InputError, match=r"operating_point\.json: expected JSON"):
        operating_point.load(path)
