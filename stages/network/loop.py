"""The training loop: one function in chapters, the same in one process and in several.

Keras `fit` fails under multi-worker strategies (keras#20585) and its callbacks lose their state on
resume (keras#14862), so step and state are ours. A resumed training equals one that was never
stopped, bit for bit: order and augmentation are keyed by [seed, epoch, record], dropout's state is
set from [seed, epoch], and a checkpoint holds everything else.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from stages.engine import devices
from stages.engine.arrays import GrayImages
from stages.engine.console import print_note, print_text
from stages.engine.csv_text import csv_text
from stages.engine.errors import InputError
from stages.engine.progress import progress
from stages.network import checkpoints, fine_tune
from stages.network.feeding import Feeder
from stages.network.model import build
from stages.network.options import TrainOptions
from stages.network.predict import predictor
from stages.network.step import make_optimizer, make_step, targets_of

Row = dict[str, float]
Weights = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Images:
    """Images of one role: pixels uint8 (N, H, W), 0 to 255; labels (N,), 1 is pneumonia."""

    pixels: GrayImages
    labels: npt.NDArray[Any]


@dataclass(frozen=True)
class Trained:
    """The result of a training: the best epoch's model, a row per epoch, and the speed.

    Attributes:
        model: A `keras.Model` with the averaged weights of `best_epoch`.
        history: One row per epoch: "epoch" from 1, "loss", "learning_rate", validation figures.
        best_epoch: From 1.
        speed: See `_speed`; empty where this process trained nothing.
    """

    model: Any
    history: list[Row]
    best_epoch: int
    speed: Row

    def history_csv(self) -> str:
        """Return the history as the text of a CSV file."""
        return csv_text(self.history[0], [row.values() for row in self.history])


def train(
    options: TrainOptions,
    images: Images,
    judge: Callable[[Callable[..., Any]], Row],
    *,
    image_px: int,
    folder: Path,
    on_epoch: Callable[[Row], None],
) -> Trained:
    """Train a network, or continue a training that was stopped.

    Args:
        options: The section train of params.
        images: The training images.
        judge: Gives the validation figures after each epoch, `options.monitor` among them. It is
            called with a function from pixels, uint8 (N, H, W), to logits, float32 (N,), of the
            averaged weights.
        image_px: Side of the stored images, pixels.
        folder: Checkpoints of this very training and of no other.
        on_epoch: Called with each new row.

    Raises:
        InputError: There are fewer images than a batch takes, `monitor` is unknown, or no device
            computes in `precision`.
        FloatingPointError: The loss is not finite; the message names the step.
    """
    # -- 1. Model, optimizer and step, on whatever devices there are.
    if len(images.labels) < options.batch:
        raise InputError(
            f"params.yaml: train.batch: expected at most the {len(images.labels)} training images, "
            f"received {options.batch}"
        )
    devices.require_precision(options.precision)
    feeder = Feeder(images.pixels, options.crop_px, options.batch, options.seed, options.augment)
    # Layers are numbered from the start again, so the saved bytes are equal. Clearing also resets
    # the policy and any strategy's scope, so it comes before both.
    keras.backend.clear_session()
    keras.config.set_dtype_policy(options.precision)
    strategy = devices.strategy()
    with strategy.scope():
        model = build(options, image_px)
        tuned = fine_tune.prepare(model, options)
        optimizer = make_optimizer(options, feeder.steps, tuned)
    step = make_step(strategy, model, optimizer, options, tuned.variables)
    logits = predictor(model)
    targets, weights = targets_of(images.labels, options)

    # -- 2. Resume where an earlier process stopped.
    state = _State.resume(folder, model, optimizer)

    # -- 3. Epochs: train, judge the averaged weights, write a checkpoint.
    clock = _Clock()
    while state.epoch < options.epochs and not state.exhausted(options.patience):
        epoch = state.epoch
        _set_dropout(model, options.seed, epoch)
        losses = []
        batches = progress(
            feeder.epoch(epoch), label=f"epoch {epoch + 1}/{options.epochs}", total=feeder.steps
        )
        for number, (crops, records) in enumerate(batches, start=1):
            loss = float(step(crops, targets[records], weights[records]))
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"training stopped: loss is {loss} at step {number} of {feeder.steps} in "
                    f"epoch {epoch + 1}; the checkpoint of epoch {epoch} is kept in {folder}; "
                    "lower train.learning_rate"
                )
            losses.append(loss)
            clock.tick(len(records), feeder.waited_s)
        row: Row = {
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            "learning_rate": float(optimizer.learning_rate),
        }
        raw = model.get_weights()
        optimizer.finalize_variable_values(tuned.variables)
        row |= judge(logits)
        state.advance(row, options.monitor, model.get_weights())
        model.set_weights(raw)
        if devices.is_chief():
            checkpoints.save(folder, state.checkpoint(model, optimizer))
        on_epoch(row)
        _print_epoch(row, options, clock.pause())

    # -- 4. The best epoch's weights, and the speed.
    speed = _speed(step, feeder, targets, weights, clock)
    for name, value in speed.items():
        print_text(f"{name}: {value:.3f}")
    model.set_weights(state.best_weights)
    fine_tune.release(model)
    return Trained(model, state.history, state.best_epoch, speed)


@dataclass
class _State:
    """Everything that the next epoch depends on besides model and optimizer."""

    epoch: int
    history: list[Row]
    best_epoch: int
    best_weights: Weights

    @classmethod
    def resume(cls, folder: Path, model: Any, optimizer: Any) -> "_State":
        """Restore the newest intact checkpoint, weights included; else start from nothing."""
        found = checkpoints.latest(folder)
        if found is None:
            return cls(0, [], 0, model.get_weights())

        def arrays(part: str) -> Weights:
            return [found.arrays[f"{part}{n}"] for n in range(found.facts[part])]

        model.set_weights(arrays("model"))
        for variable, value in zip(optimizer.variables, arrays("optimizer"), strict=True):
            variable.assign(value)
        print_note(f"resumed after epoch {found.epoch}, from {folder}")
        return cls(found.epoch, found.facts["history"], found.facts["best_epoch"], arrays("best"))

    def advance(self, row: Row, monitor: str, averaged: Weights) -> None:
        """Add an epoch's row; keep its averaged weights if it is the best so far."""
        if monitor not in row:
            raise InputError(
                f"params.yaml: train.monitor: expected one of {', '.join(row)}, "
                f"received {monitor!r}"
            )
        self.epoch += 1
        self.history.append(row)
        sign = -1 if monitor.endswith("loss") else 1
        best = max(range(self.epoch), key=lambda n: sign * self.history[n][monitor])
        if best + 1 == self.epoch:
            self.best_epoch, self.best_weights = self.epoch, averaged

    def exhausted(self, patience: int) -> bool:
        """Whether `patience` epochs brought nothing better; 0 never is."""
        return 0 < patience <= self.epoch - self.best_epoch

    def checkpoint(self, model: Any, optimizer: Any) -> checkpoints.Checkpoint:
        parts: dict[str, Weights] = {
            "model": model.get_weights(),
            "optimizer": [np.asarray(variable) for variable in optimizer.variables],
            "best": self.best_weights,
        }
        arrays = {f"{part}{n}": a for part, values in parts.items() for n, a in enumerate(values)}
        sizes = {part: len(values) for part, values in parts.items()}
        facts = {"history": self.history, "best_epoch": self.best_epoch, **sizes}
        return checkpoints.Checkpoint(self.epoch, arrays, facts)


def _set_dropout(model: Any, seed: int, epoch: int) -> None:
    """Seed every random layer from the epoch, so a resumed epoch draws the same numbers."""
    for number, layer in enumerate(model._flatten_layers()):
        for generator in getattr(layer, "_seed_generators", []):
            state = np.random.default_rng([seed, epoch, number]).integers(2**31, size=2)
            generator.state.assign(state.astype(generator.state.dtype))


class _Clock:
    """Seconds in training steps, and waiting; without the first step, which traces the graph."""

    def __init__(self) -> None:
        self.images, self.seconds, self.waited_s = 0, 0.0, 0.0
        self._last: float | None = None
        self._waited_before = 0.0

    def tick(self, images: int, waited_s: float) -> None:
        """Count a finished step over `images`; `waited_s`: seconds waited for batches so far."""
        now = time.perf_counter()
        if self._last is not None:
            self.images += images
            self.seconds += now - self._last
            self.waited_s += waited_s - self._waited_before
        self._last, self._waited_before = now, waited_s

    def pause(self) -> float:
        """Stop the clock until the next step; return the seconds so far."""
        self._last = None
        return self.seconds


def _print_epoch(row: Row, options: TrainOptions, trained_s: float) -> None:
    figures = {key: value for key, value in row.items() if key not in ("epoch", "learning_rate")}
    text = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
    print_text(
        f"epoch {row['epoch']:.0f}/{options.epochs}  {text}  ({trained_s:.0f} s)", flush=True
    )


def _speed(step: Any, feeder: Feeder, targets: Any, weights: Any, clock: _Clock) -> Row:
    """Images per second, share of time spent waiting, and the rate against a resident batch.

    The resident batch is timed after training, when the weights are safe: the same step without
    order, augmentation or queue. Empty where this process trained nothing.
    """
    if not clock.seconds:
        return {}
    records = np.arange(feeder.batch)
    crops = feeder.crops(0, records)
    repeats = max(3, min(20, feeder.steps))
    start = time.perf_counter()
    for _ in range(repeats):
        float(step(crops, targets[records], weights[records]))
    resident = repeats * feeder.batch / (time.perf_counter() - start)
    rate = clock.images / clock.seconds
    return {
        "seconds": clock.seconds,
        "images_per_s": rate,
        "waiting_share": clock.waited_s / clock.seconds,
        "rate_against_resident_batch": rate / resident,
    }
