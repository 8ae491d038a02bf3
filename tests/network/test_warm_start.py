"""A start from a finished model: all its weights, for a network of the same layers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.network import canonical
from stages.network.model import build
from stages.network.options import TrainOptions, with_pin
from stages.network.pretrained.origin import origin_of
from stages.network.views import with_views
from tests.changed import changed
from tests.network.tiny import OFF, OPTIONS


@pytest.fixture(scope="module")
def finished() -> Any:
    return build(changed(OPTIONS, seed=11), 32)


@pytest.fixture(scope="module", params=[1, 2])
def path(request: pytest.FixtureRequest, finished: Any, tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("finished") / "model.keras"
    canonical.save(with_views(finished, request.param, 32), path)
    return path


def starting_from(path: Path, **changes: Any) -> TrainOptions:
    return changed(OPTIONS, weights=with_pin(str(path), sha256_file(path)), **changes)


def test_every_weight_is_taken_over(path: Path, finished: Any) -> None:
    model = build(starting_from(path), 32)
    for a, b in zip(model.get_weights(), finished.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(build(OPTIONS, 32).get_weights()[0], model.get_weights()[0])


def test_its_stages_can_be_frozen(path: Path) -> None:
    assert starting_from(path, fine_tune=changed(OFF, frozen_stages=1)).fine_tune.frozen_stages == 1


def test_another_network_is_refused_by_its_first_layer(path: Path) -> None:
    for changes in ({"widths": (4, 16)}, {"blocks": 2}):
        with pytest.raises(InputError, match=r"train\.weights: .* whose layer 'stage\d_block\d_a_"):
            build(starting_from(path, **changes), 32)


def test_a_file_that_is_missing_or_no_model_is_refused(tmp_path: Path) -> None:
    odd = tmp_path / "odd.keras"
    odd.write_bytes(b"no model")
    with pytest.raises(InputError, match=r"odd\.keras: expected a \.keras model"):
        build(starting_from(odd), 32)
    with pytest.raises(InputError, match=r"train\.weights: expected a finished model"):
        build(changed(OPTIONS, weights=str(tmp_path / "none.keras")), 32)


def test_the_origin_is_a_model_file_by_its_content(path: Path) -> None:
    origin = origin_of(starting_from(path), sha256_file(path))
    assert origin is not None
    assert (origin.name, origin.file, origin.licence) == ("model file", "model.keras", "not stated")
    assert origin.sha256 == sha256_file(path)


@pytest.mark.parametrize(
    ("network", "weights", "allowed"),
    [
        ("compact", "imagenet", "a file .keras or null"),
        ("seed", "some.h5", "a file .keras or null"),
        ("EfficientNetLite0", "some.h5", "'imagenet', a file .keras or null"),
    ],
)
def test_other_weights_are_refused(network: str, weights: str, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"weights: expected {allowed} for the network"):
        changed(OPTIONS, network=network, weights=weights)
