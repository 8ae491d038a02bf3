"""Training is deterministic, whether or not it was interrupted and resumed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.network import canonical, checkpoints, loop
from stages.network.model import build
from stages.network.options import TrainOptions
from stages.network.predict import predictor
from stages.settings import preset, section
from tests.changed import changed
from tests.network.tiny import OPTIONS, Judge, images
from tests.workspace import ROOT

COMPACT = changed(OPTIONS, widths=(4,), epochs=2)
SEED = changed(OPTIONS, network="seed", crop_px=48, epochs=2)
LITE = changed(OPTIONS, network="EfficientNetLite0", epochs=2)
DENSE = changed(OPTIONS, network="DenseNet121", epochs=2)
RESUMED = (COMPACT, SEED, LITE, DENSE)


class StoppedError(Exception):
    """Simulates a kill."""


def stop(_: object) -> Any:
    raise StoppedError


@dataclass(frozen=True)
class Outcome:
    """The results of a training, and the logits that its judge computed in each epoch."""

    history: list[dict[str, float]]
    best_epoch: int
    weights: list[Any]
    file: str
    speed: dict[str, float]
    kept: Any
    seen: list[Any]


def train(
    options: TrainOptions,
    folder: Path,
    *,
    count: int = 25,
    judge: Callable[..., dict[str, float]] | None = None,
    on_epoch: Callable[[dict[str, float]], Any] = lambda _: None,
) -> Outcome:
    px = options.crop_px
    usual = Judge(px)
    trained = loop.train(
        options,
        loop.Images(*images(count, px)),
        judge or usual,
        image_px=px,
        folder=folder,
        on_epoch=on_epoch,
    )
    path = folder.with_suffix(".keras")
    canonical.save(trained.model, path)
    return Outcome(
        trained.history,
        trained.best_epoch,
        trained.model.get_weights(),
        sha256_file(path),
        trained.speed,
        predictor(trained.model)(usual.pixels),
        usual.seen,
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, marks=[] if each in (COMPACT, SEED) else [pytest.mark.slow])
        for each in RESUMED
    ],
    ids=[each.network for each in RESUMED],
)
def options(request: pytest.FixtureRequest) -> TrainOptions:
    chosen: TrainOptions = request.param
    return chosen


@pytest.fixture(scope="module")
def whole(options: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """An uninterrupted training."""
    return train(options, tmp_path_factory.mktemp("whole") / "checkpoints")


def test_each_network_of_a_preset_is_resumed_here() -> None:
    tree = section.read(ROOT / "params.yaml")
    named = {preset.load(name, tree).values["train"]["network"] for name in preset.NAMES}
    assert named <= {each.network for each in RESUMED}


def test_a_training_stopped_anywhere_resumes_to_the_same_bits(
    options: TrainOptions, whole: Outcome, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoints"
    with pytest.raises(StoppedError):  # before the first checkpoint
        train(options, folder, judge=stop)
    assert checkpoints.latest(folder) is None
    for epoch in range(1, options.epochs + 1):
        with pytest.raises(StoppedError):
            train(options, folder, on_epoch=stop)
        found = checkpoints.latest(folder)
        assert found is not None
        assert found.epoch == epoch
    # The last stop came after the last epoch, so nothing is left to train.
    resumed = train(options, folder, on_epoch=stop)
    assert resumed.speed == {}
    assert resumed.history == whole.history
    assert resumed.best_epoch == whole.best_epoch
    for a, b in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed.file == whole.file


def test_history_has_a_row_per_epoch(options: TrainOptions, whole: Outcome) -> None:
    assert [row["epoch"] for row in whole.history] == [1, 2]
    assert list(whole.history[0]) == ["epoch", "loss", "learning_rate", "val_auroc", "val_loss"]
    rates = [row["learning_rate"] for row in whole.history]
    assert rates == pytest.approx([options.learning_rate, 0], abs=1e-9)  # warmed up, decayed
    assert set(whole.speed) == {
        "seconds",
        "images_per_s",
        "waiting_share",
        "rate_against_resident_batch",
    }
    assert 0 <= whole.speed["waiting_share"] <= 1


def test_the_kept_weights_are_those_judged_best(whole: Outcome) -> None:
    np.testing.assert_array_equal(whole.kept, whole.seen[whole.best_epoch - 1])
    assert not np.array_equal(whole.seen[0], whole.seen[1])


def test_a_loss_that_is_not_finite_names_its_step_and_keeps_the_last_checkpoint(
    tmp_path: Path,
) -> None:
    wild = changed(
        COMPACT, learning_rate=10.0, weight_decay=10.0, warmup_epochs=0.0, epochs=40, ema=0.0
    )
    with pytest.raises(FloatingPointError) as caught:
        train(wild, tmp_path / "checkpoints")
    kept = checkpoints.latest(tmp_path / "checkpoints")
    assert kept is not None
    message = (
        rf"loss is (nan|inf) at step \d of 3 in epoch {kept.epoch + 1}; .* lower train.learning"
    )
    assert re.search(message, str(caught.value))
    assert all(np.isfinite(row["loss"]) for row in kept.facts["history"])


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.batch: expected at most the 5 .* received 8"):
        train(OPTIONS, tmp_path / "checkpoints", count=5)


def test_a_precision_that_only_a_gpu_has_is_refused_without_one(tmp_path: Path) -> None:
    # Without the check, TensorFlow ends with a traceback about a primitive descriptor.
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match=r"expected float32 on a processor, .*'mixed_float16'"):
        train(changed(COMPACT, precision="mixed_float16"), tmp_path / "checkpoints")


def test_layers_compute_in_the_configured_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def build_and_stop(options: TrainOptions, image_px: int) -> Any:
        built.append(build(options, image_px))
        raise StoppedError

    monkeypatch.setattr(loop, "build", build_and_stop)
    try:
        with pytest.raises(StoppedError):
            train(changed(OPTIONS, precision="mixed_bfloat16"), tmp_path / "checkpoints")
    finally:
        keras.config.set_dtype_policy("float32")
    assert built[0].get_layer("stem_conv").compute_dtype == "bfloat16"
    assert built[0].get_layer("logit").compute_dtype == "float32"


def advanced(values: list[float], monitor: str) -> loop._State:
    state = loop._State(0, [], 0, [])
    for epoch, value in enumerate(values, start=1):
        state.advance({monitor: value}, monitor, [np.array(epoch)])
    return state


def test_the_highest_auroc_or_the_lowest_loss_is_best() -> None:
    values = [0.6, 0.8, 0.4, 0.8, 0.7]
    best, least = advanced(values, "val_auroc"), advanced(values, "val_loss")
    assert best.best_epoch == int(best.best_weights[0]) == 2  # of a tie, the earlier
    assert least.best_epoch == int(least.best_weights[0]) == 3


def test_patience_counts_epochs_since_the_best() -> None:
    state = advanced([0.6, 0.8, 0.7, 0.8], "val_auroc")
    assert state.exhausted(2)
    assert not state.exhausted(3)
    assert not state.exhausted(0)  # 0 means never


def test_a_monitor_without_a_figure_is_refused() -> None:
    state = loop._State(0, [], 0, [])
    message = r"train\.monitor: expected one of val_auroc, val_loss, received 'shift_auroc'"
    with pytest.raises(InputError, match=message):
        state.advance({"val_auroc": 0.5, "val_loss": 0.5}, "shift_auroc", [])
