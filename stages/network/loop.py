"""The training loop: one readable function in chapters, the same in one process and many.

Keras `fit` fails under multi-worker strategies (keras#20585) and its callbacks forget on
resume (keras#14862), so the step and the state are ours. Resuming equals never having
stopped, bit for bit: order and augmentation are keyed by [seed, epoch, record], dropout's
state is set from [seed, epoch], and a checkpoint holds everything else.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.engine import devices
from stages.engine.errors import InputError
from stages.engine.progress import progress
from stages.network import checkpoints
from stages.network.feeding import Feeder
from stages.network.model import build
from stages.network.options import TrainOptions
from stages.network.predict import predictor

Row = dict[str, float]
Weights = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Images:
    """Images of one role: pixels uint8 (N, H, W), 0 to 255, and labels (N,), 1 is pneumonia."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]


@dataclass(frozen=True)
class Trained:
    """What training leaves: the best epoch's model, every epoch's row, and its two speeds."""

    model: Any
    history: list[Row]
    best_epoch: int
    speed: Row


def train(
    options: TrainOptions,
    images: Images,
    judge: Callable[[Callable[..., Any]], Row],
    *,
    image_px: int,
    folder: Path,
    on_epoch: Callable[[Row], None],
) -> Trained:
    """Train on `images`; after each epoch `judge(logits)` gives the validation quantities.

    `judge` gets a function from pixels, uint8 (N, H, W), to logits, float32 (N,), of the
    averaged weights, and its result must hold `options.monitor`. `folder` holds the
    checkpoints of this very training and of no other. `on_epoch` sees each new row.

    Raises InputError where the images are too few for a batch or `monitor` is unknown, and
    FloatingPointError, naming the step, where the loss is not finite.
    """
    # -- 1. Model, optimizer and step, on whatever devices there are.
    if len(images.labels) < options.batch:
        raise InputError(
            f"params.yaml: train.batch: expected at most the {len(images.labels)} training images, "
            f"received {options.batch}"
        )
    feeder = Feeder(images.pixels, options.crop_px, options.batch, options.seed, options.augment)
    # Names of layers, and so the file's bytes, start from the same. Clearing also forgets the
    # policy and any strategy's scope, so it comes before both.
    keras.backend.clear_session()
    keras.config.set_dtype_policy(options.precision)
    strategy = devices.strategy()
    with strategy.scope():
        model = build(options, image_px)
        optimizer = _optimizer(options, feeder.steps)
        optimizer.build(model.trainable_variables)
    step = _make_step(strategy, model, optimizer, options)
    logits = predictor(model)
    targets, weights = _targets(images.labels, options)

    # -- 2. Carry on where an earlier process stopped.
    state = _State.resume(folder, model, optimizer)

    # -- 3. Epochs: train, judge the averaged weights, keep the state.
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
        row: Row = {"epoch": epoch + 1, "loss": float(np.mean(losses)),
               "learning_rate": float(optimizer.learning_rate)}  # fmt: skip
        raw = model.get_weights()
        optimizer.finalize_variable_values(model.trainable_variables)
        row |= judge(logits)
        state.advance(row, options.monitor, model.get_weights())
        model.set_weights(raw)
        if devices.is_chief():
            checkpoints.save(folder, state.checkpoint(model, optimizer))
        on_epoch(row)
        _say(row, options, clock.pause())

    # -- 4. The best epoch's weights, and how fast it went.
    speed = _speed(step, feeder, targets, weights, clock)
    model.set_weights(state.best_weights)
    return Trained(model, state.history, state.best_epoch, speed)


@dataclass
class _State:
    """Everything that the next epoch depends on, beside model and optimizer."""

    epoch: int
    history: list[Row]
    best_epoch: int
    best_weights: Weights

    @classmethod
    def resume(cls, folder: Path, model: Any, optimizer: Any) -> "_State":
        """The state after the newest whole checkpoint, with its weights set; else a fresh one."""
        found = checkpoints.latest(folder)
        if found is None:
            return cls(0, [], 0, model.get_weights())

        def take(part: str) -> Weights:
            return [found.arrays[f"{part}{n}"] for n in range(found.facts[part])]

        model.set_weights(take("model"))
        for variable, value in zip(optimizer.variables, take("optimizer"), strict=True):
            variable.assign(value)
        print(f"resumed after epoch {found.epoch}, from {folder}", file=sys.stderr)
        return cls(found.epoch, found.facts["history"], found.facts["best_epoch"], take("best"))

    def advance(self, row: Row, monitor: str, averaged: Weights) -> None:
        """Take in an epoch's row and the averaged weights that earned it."""
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
        """Whether the best epoch lies `patience` epochs back; 0 waits for ever."""
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


def _optimizer(options: TrainOptions, steps: int) -> Any:
    """AdamW (Loshchilov & Hutter 2019) with linear warm-up, cosine decay and an EMA."""
    total, warm = steps * options.epochs, round(steps * options.warmup_epochs)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warm else options.learning_rate,
        decay_steps=max(1, total - warm),
        warmup_target=options.learning_rate if warm else None,
        warmup_steps=warm,
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=options.weight_decay, use_ema=options.ema > 0,
        ema_momentum=options.ema, ema_overwrite_frequency=None,
    )  # fmt: skip
    # Decay is for directions in weight space; scales, shifts and biases have none.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if options.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _make_step(strategy: Any, model: Any, optimizer: Any, options: TrainOptions) -> Any:
    """One optimisation step: (crops, targets, weights) of the whole batch -> mean loss."""

    def replica(crops: Any, targets: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(tf.cast(crops[..., None], tf.float32), training=True)[:, 0]
            losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
            # Over the global batch, so that replicas' gradients add up to the batch's.
            loss = tf.reduce_sum(losses * weights) / options.batch
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    @tf.function  # type: ignore[untyped-decorator]
    def step(crops: Any, targets: Any, weights: Any) -> Any:
        loss = strategy.run(replica, args=(crops, targets, weights))
        return strategy.reduce("SUM", loss, axis=None)

    if strategy.num_replicas_in_sync == 1:
        return step

    def spread(*arrays: npt.NDArray[Any]) -> Any:
        def laid_out(array: npt.NDArray[Any]) -> Any:
            return strategy.experimental_distribute_values_from_function(
                lambda at: tf.constant(
                    array[at.replica_id_in_sync_group :: at.num_replicas_in_sync]
                )
            )

        return step(*map(laid_out, arrays))

    return spread


def _targets(labels: npt.NDArray[Any], options: TrainOptions) -> tuple[Any, Any]:
    """Smoothed targets and loss weights, float32 (N,) each; the weights have mean 1."""
    positive = labels == 1
    smoothing = options.label_smoothing
    targets = positive * (1 - smoothing) + smoothing / 2
    weights = np.ones(len(labels))
    if options.class_balance:
        share = positive.mean()
        weights = np.where(positive, 0.5 / share, 0.5 / (1 - share))
    return targets.astype(np.float32), weights.astype(np.float32)


def _set_dropout(model: Any, seed: int, epoch: int) -> None:
    """Set the state of every layer that draws, so that an epoch's draws are its own."""
    for number, layer in enumerate(model._flatten_layers()):
        for generator in getattr(layer, "_seed_generators", []):
            state = np.random.default_rng([seed, epoch, number]).integers(2**31, size=2)
            generator.state.assign(state.astype(generator.state.dtype))


class _Clock:
    """Seconds spent in training steps and their waiting; the first step, which traces, left out."""

    def __init__(self) -> None:
        self.images, self.seconds, self.waited_s = 0, 0.0, 0.0
        self._last: float | None = None
        self._waited_before = 0.0

    def tick(self, images: int, waited_s: float) -> None:
        """A step over `images` is done; the feeder's reader has waited `waited_s` so far."""
        now = time.perf_counter()
        if self._last is not None:
            self.images += images
            self.seconds += now - self._last
            self.waited_s += waited_s - self._waited_before
        self._last, self._waited_before = now, waited_s

    def pause(self) -> float:
        """Stop until the next step has been done, for what is not training; seconds so far."""
        self._last = None
        return self.seconds


def _say(row: Row, options: TrainOptions, trained_s: float) -> None:
    shown = {key: value for key, value in row.items() if key not in ("epoch", "learning_rate")}
    figures = "  ".join(f"{key} {value:.4f}" for key, value in shown.items())
    print(f"epoch {row['epoch']:.0f}/{options.epochs}  {figures}  ({trained_s:.0f} s)", flush=True)


def _speed(step: Any, feeder: Feeder, targets: Any, weights: Any, clock: _Clock) -> Row:
    """Images per second, the share of it spent waiting, and the rate against a resident batch.

    The resident batch is stepped on after training, when the weights have been kept: the
    same step without order, augmentation or queue. Empty where this process trained nothing.
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
