"""A network with several views: the mean of their logits, in one file."""

from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from stages.network import canonical, saliency
from stages.network.layers import by_resolution
from stages.network.model import build
from stages.network.predict import load_model, pooler, predictor
from stages.network.views import with_views
from tests.changed import changed
from tests.network.tiny import OPTIONS, images

PX = 40


@pytest.fixture(scope="module")
def model() -> Any:
    return build(changed(OPTIONS, widths=(4, 8)), PX)


@pytest.fixture(scope="module", params=[2, 4])
def views(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def saved(model: Any, views: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("views") / "model.keras"
    canonical.save(with_views(model, views, PX), path)
    return path


def enlarged_middle(pixels: Any) -> Any:
    side = round(0.9 * PX)
    start = (PX - side) // 2
    parts = pixels[:, start : start + side, start : start + side].astype(np.float32)
    return np.stack([cv2.resize(part, (PX, PX), interpolation=cv2.INTER_LINEAR) for part in parts])


def test_the_logit_is_the_mean_of_the_views(model: Any, saved: Path, views: int) -> None:
    pixels, _ = images(11, PX)
    seen = [pixels] if views == 2 else [pixels, enlarged_middle(pixels)]
    one = predictor(model)
    expected = np.mean([one(v) for view in seen for v in (view, view[:, :, ::-1])], axis=0)
    found = predictor(load_model(saved))(pixels)
    assert found.shape == (11,)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(found - one(pixels)).max() > 1e-3
    np.testing.assert_allclose(predictor(load_model(saved))(pixels[:, :, ::-1]), found, atol=1e-5)


def test_an_image_is_judged_alike_whatever_is_beside_it(saved: Path) -> None:
    pixels, _ = images(11, PX)
    judge = predictor(load_model(saved))
    alone = np.concatenate([judge(pixels[n : n + 1]) for n in range(11)])
    np.testing.assert_array_equal(alone, judge(pixels))


def test_domain_and_saliency_look_at_the_whole_image(model: Any, saved: Path) -> None:
    pixels, _ = images(5, PX)
    loaded = load_model(saved)
    layers = [
        output._keras_history.operation.name for output in by_resolution(model, PX, PX).values()
    ]
    found = [
        output._keras_history.operation.name for output in by_resolution(loaded, PX, PX).values()
    ]
    assert found == layers
    whole = pooler(model, layers)(pixels)
    np.testing.assert_allclose(pooler(loaded, layers)(pixels), whole, atol=1e-5)
    maps = saliency.heatmaps(loaded, pixels)
    np.testing.assert_allclose(maps, saliency.heatmaps(model, pixels), atol=1e-3)


def test_two_builds_have_equal_bytes_and_the_weights_of_the_network(
    model: Any, saved: Path, views: int, tmp_path: Path
) -> None:
    paths = [tmp_path / "one.keras", tmp_path / "two.keras"]
    for path in paths:
        keras.backend.clear_session()  # as a training does at its start
        canonical.save(with_views(build(changed(OPTIONS, widths=(4, 8)), PX), views, PX), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    for a, b in zip(load_model(saved).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_view_is_the_network_itself(model: Any) -> None:
    assert with_views(model, 1, PX) is model
