"""The domain: fitted on noise with a bright patch, asked about other things."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.engine.errors import InputError
from stages.images.shards import Role
from stages.network import domain, domain_fit, predict, wrong_copies
from stages.network.domain import MOST_CHANNELS, MOST_STEPS, Domain
from stages.network.domain_limit import class_ranges, limit
from stages.network.model import build
from tests.changed import changed
from tests.network.tiny import OPTIONS, images

PX = 64


def role(name: str, count: int, seed: int, px: int = PX) -> Role:
    pixels, labels = images(count, px, seed=seed)
    return Role(name, pixels, pd.DataFrame({"label": labels}))


def roles(px: int = PX) -> tuple[Role, list[Role]]:
    return role("train", 120, 0, px), [role("val", 60, 1, px), role("val_matched", 60, 2, px)]


@pytest.fixture(scope="module")
def model() -> Any:
    return build(OPTIONS, PX)


@pytest.fixture(scope="module")
def fitted(model: Any) -> Domain:
    return domain_fit.fit(model, OPTIONS, *roles())


@pytest.mark.parametrize("network", ["compact", "seed", "MobileNetV2"])
def test_logits_and_scores_come_from_one_pass_whatever_is_beside_an_image(network: str) -> None:
    model = build(changed(OPTIONS, network=network, crop_px=PX), PX)
    found = domain_fit.fit(model, OPTIONS, *roles())
    assert len(found.layers) == len(set(found.layers)) > 1
    pixels = np.concatenate([images(19, PX, seed=5)[0], np.zeros((1, PX, PX), np.uint8)])
    answers = predict.answerer(model, found)
    logits, scores = answers(pixels)
    assert (logits.dtype, scores.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(logits, predict.predictor(model)(pixels))
    # The wide dense layer of "seed" adds up in an order that depends on an image's place.
    orders = (slice(None, None, -1), slice(3, 4), slice(5, 16)) if network != "seed" else ()
    for order in orders:
        some_logits, some_scores = answers(pixels[order])
        np.testing.assert_array_equal(some_logits, logits[order])
        np.testing.assert_array_equal(some_scores, scores[order])
    assert [part.shape for part in answers(pixels[:0])] == [(0,), (0,)]


def test_other_things_are_refused_and_new_images_of_the_same_kind_are_not(
    model: Any, fitted: Domain
) -> None:
    answers = predict.answerer(model, fitted)
    proper = answers(images(200, PX, seed=7)[0])[1]
    assert (proper > 1).mean() < 0.05
    ramp = np.tile(np.linspace(0, 255, PX).astype(np.uint8), (PX, 1))
    others = {
        "blank": np.full((PX, PX), 90, np.uint8),
        "ramp": ramp,
        "board": np.uint8(255) * ((np.indices((PX, PX)) // 8).sum(0) % 2).astype(np.uint8),
        "half": np.where(ramp > 127, np.uint8(0), images(1, PX, seed=8)[0][0]),
    }
    scores = answers(np.stack(list(others.values())))[1]
    assert (scores > 1).all(), dict(zip(others, scores, strict=True))


def test_a_file_has_equal_bytes_each_time_and_is_read_as_it_was_written(
    model: Any, fitted: Domain, tmp_path: Path
) -> None:
    again = domain_fit.fit(model, OPTIONS, *roles())
    paths = tmp_path / "a.npz", tmp_path / "b.npz"
    for one, path in zip((fitted, again), paths, strict=True):
        one.save(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    loaded = domain.load(paths[0])
    assert (loaded.layers, loaded.kinds) == (fitted.layers, fitted.kinds)
    features = predict.pooler(model, fitted.layers)(images(9, PX, seed=3)[0])
    np.testing.assert_array_equal(loaded.score(features), fitted.score(features))


@pytest.mark.parametrize(
    "damage",
    ["missing", "empty", "text", "cut", "format", "nan", "shape", "dtype", "limit", "absent"],
)
def test_a_file_that_cannot_decide_is_refused_by_name(
    fitted: Domain, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "domain.npz"
    fitted.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    changes: dict[str, dict[str, Any]] = {
        "format": {"format": np.asarray(9)},
        "nan": {"middle": arrays["middle"] * np.nan},
        "shape": {"whitening": arrays["whitening"][:-1]},
        "dtype": {"discriminants": arrays["discriminants"].astype(np.float64)},
        "limit": {"limit": np.asarray(0.0)},
    }
    contents = {"empty": b"", "text": b"a domain", "cut": path.read_bytes()[:-40]}
    if damage in changes:
        np.savez(path, **{**arrays, **changes[damage]})
    elif damage == "absent":
        np.savez(path, **{name: a for name, a in arrays.items() if name != "spread"})
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(contents[damage])
    with pytest.raises(InputError, match=r"domain\.npz: expected the domain of a model"):
        domain.load(path)


def test_the_shrunk_covariance_is_that_of_scikit_learn() -> None:
    from sklearn.covariance import ledoit_wolf

    rng = np.random.default_rng(0)
    residuals = np.rint(1000 * rng.normal(size=(50, 12)) @ rng.normal(size=(12, 12))).astype(
        np.int64
    )
    expected, _ = ledoit_wolf(residuals.astype(np.float64), assume_centered=True)
    np.testing.assert_allclose(domain_fit._shrunk_covariance(residuals), expected, rtol=1e-3)


def test_distances_are_those_of_mahalanobis() -> None:
    rng = np.random.default_rng(1)
    whole = np.rint(1000 * rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3))).astype(np.int64)
    labels = np.arange(400) % 2
    whole[labels == 1] += 3000
    classes, whitening = domain_fit._distance(whole, labels)
    inverse = np.linalg.inv(domain_fit._shrunk_covariance(whole - classes[labels]))
    naive = [
        min(float(np.sqrt((row - mean) @ inverse @ (row - mean))) for mean in classes)
        for row in whole
    ]
    steps = np.zeros((400, predict.QUARTERS + 1, 3), np.int64)
    steps[:, predict.QUARTERS] = whole
    bare = changed_domain(classes=classes, whitening=whitening)
    found = bare.parts(steps)[0][:, 0]
    np.testing.assert_allclose(found / found[0], np.array(naive) / naive[0], rtol=1e-4)


def changed_domain(**changes: Any) -> Domain:
    """A domain of one layer of three channels, without kinds of wrong copies."""
    arrays: dict[str, Any] = {
        "layers": ("layer",),
        "channels": (3,),
        "mean": np.zeros((5, 3)),
        "deviation": np.ones((5, 3)),
        "classes": np.zeros((2, 3), np.int64),
        "whitening": np.eye(3, dtype=np.int32),
        "kinds": (),
        "discriminants": np.zeros((12, 2), np.int32),
        "offsets": np.zeros(2),
        "middle": np.zeros((2, 1)),
        "spread": np.ones((2, 1)),
        "limit": 1.0,
    }
    return Domain(**{**arrays, **changes})


def test_discriminants_give_the_log_odds_of_scikit_learn_against_the_nearer_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    monkeypatch.setattr(wrong_copies, "KINDS", {"a": None, "b": None})
    rng = np.random.default_rng(8)
    labels, mixed = np.arange(6000) % 2, np.diag(np.linspace(300, 3000, 12))  # hardly shrunk
    proper = np.rint(rng.normal(size=(6000, 12)) @ mixed).astype(np.int64)
    proper[labels == 1] += 1500
    wrong = np.rint(rng.normal(size=(3000, 12)) @ mixed).astype(np.int64)
    wrong[::2, 0] += 3000
    wrong[1::2, 1] -= 4000
    discriminants, offsets = domain_fit._discriminants(proper, labels, wrong)
    groups = np.concatenate([2 + labels, np.arange(3000) % 2])
    naive = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 6, 1 / 6, 1 / 3, 1 / 3])
    naive.fit(np.concatenate([proper, wrong]) / 1000, groups)
    new = np.rint(rng.normal(size=(50, 12)) @ mixed).astype(np.int64)
    steps = np.zeros((50, 5, 3), np.int64)
    steps[:, :4] = new.reshape(50, 4, 3)
    found, nearer = changed_domain(discriminants=discriminants, offsets=offsets).parts(steps)
    expected = naive.decision_function(new / 1000)
    odds = expected[:, :2] - expected[:, 2:].max(axis=1, keepdims=True)
    np.testing.assert_array_equal(nearer, expected[:, 2:].argmax(axis=1))
    for ours, theirs in zip(found[:, 1:].T, odds.T, strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


def test_wide_layers_are_folded_and_what_is_no_number_is_far_away() -> None:
    channels = (MOST_CHANNELS + 5, 3)
    features = np.random.default_rng(2).normal(size=(6, predict.QUARTERS, sum(channels)))
    features[0, 0, 0] = np.nan
    rows = predict.QUARTERS + 1, sum(channels)
    steps = domain.standardize(features, np.zeros(rows), np.ones(rows), channels)
    assert steps.shape == (6, predict.QUARTERS + 1, MOST_CHANNELS + 3)
    assert np.abs(steps[0, 0]).max() > MOST_STEPS / 2
    signs = 2 * np.random.default_rng(channels[0]).integers(2, size=channels[0]) - 1
    alone = slice(5, MOST_CHANNELS)  # places that hold one channel
    expected = np.rint(features[1, 2] * 1000)[alone] * signs[alone]
    np.testing.assert_array_equal(steps[1, 2, alone], expected)


@pytest.mark.parametrize("share", [0.01, 0.05])
@pytest.mark.parametrize("distribution", ["normal", "exponential", "gamma"])
def test_a_limit_refuses_its_share_of_new_images(share: float, distribution: str) -> None:
    rng = np.random.default_rng(3)

    def draw(count: int) -> domain.Floats:
        if distribution == "normal":
            return rng.normal(size=count)
        shape = 1 if distribution == "exponential" else 3
        return rng.gamma(shape, size=count)

    refused = []
    for _ in range(500):
        found = limit([draw(97), draw(44), draw(220)], share)  # as many as phantoms have
        refused.append((draw(2000) > found).mean())
    assert np.mean(refused) == pytest.approx(share, rel=0.35)
    assert np.quantile(refused, 0.95) < 3.5 * share


def test_both_classes_count_the_same_for_a_limit() -> None:
    rng = np.random.default_rng(5)
    high, low = rng.exponential(size=1000) + 9, rng.exponential(size=50_000)
    assert limit([high, low], 0.05) == pytest.approx(limit([high[:100], low], 0.05), rel=0.1)
    # A tenth of the positives are a twentieth of all that counts.
    assert limit([high, low], 0.05) == pytest.approx(9 + np.log(10), rel=0.05)


def test_ranges_are_those_of_each_part_and_class() -> None:
    rng = np.random.default_rng(6)
    scale, shift = np.array([1.0, 20.0, 0.01]), np.array([5.0, -40.0, 0.0])
    nearer = np.arange(8000) % 2
    parts = rng.exponential(size=(8000, 3)) * scale + shift
    parts[nearer == 1] *= 3
    middle, spread = class_ranges(parts, nearer, 0.01)
    for label, factor in enumerate((1, 3)):
        np.testing.assert_allclose(middle[label], factor * (np.log(2) * scale + shift), rtol=0.1)
        np.testing.assert_allclose(spread[label], factor * np.log(50) * scale, rtol=0.1)
    (zero, _), (one, _) = class_ranges(parts, np.zeros(8000, np.int64), 0.01)
    assert zero.shape == one.shape == (3,)
