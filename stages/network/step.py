"""One optimisation step: loss, gradients, and AdamW with a rate for each variable."""

import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.network import portable_ops
from stages.network.fine_tune import Tuned
from stages.network.options import BACKBONES, LITE, TrainOptions


def make_optimizer(options: TrainOptions, steps: int, tuned: Tuned) -> Any:
    """AdamW (Loshchilov & Hutter 2019) with linear warm-up, cosine decay and averaged weights.

    Args:
        options: The section train of params.
        steps: Per epoch.
        tuned: The variables, for which it is built.
    """
    total, warm = steps * options.epochs, round(steps * options.warmup_epochs)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warm else options.learning_rate,
        decay_steps=max(1, total - warm),
        warmup_target=options.learning_rate if warm else None,
        warmup_steps=warm,
    )
    optimizer: Any = AdamW(
        rate,
        options.weight_decay,
        tuned.factors,
        use_ema=options.ema > 0,
        ema_momentum=options.ema,
        ema_overwrite_frequency=None,
    )
    if options.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(tuned.variables)
    return optimizer


class AdamW(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's AdamW with a factor of the learning rate, and so of the decay, for each variable.

    Args:
        learning_rate: A schedule.
        decay: Decoupled weight decay; scales, shifts and biases have none.
        factors: Of the variables that it is built for, in their order.
        kwargs: As `keras.optimizers.Adam` takes them.
    """

    def __init__(
        self, learning_rate: Any, decay: float, factors: Sequence[float], **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.decay, self.factors = decay, tuple(factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable; called by Keras."""
        rate = keras.ops.cast(learning_rate, variable.dtype)
        rate = rate * self.factors[self._get_variable_index(variable)]
        if self.decays(variable):
            self.assign_sub(variable, variable * self.decay * rate)
        super().update_step(gradient, variable, rate)

    @staticmethod
    def decays(variable: Any) -> bool:
        """Whether a variable has weight decay."""
        return re.search("bias|gamma|beta", variable.name) is None


def make_step(
    strategy: Any, model: Any, optimizer: Any, options: TrainOptions, variables: Sequence[Any]
) -> Any:
    """Make one optimisation step: (crops, targets, weights) of a batch -> mean loss."""
    # Not the networks of this project's records, whose last bits stay.
    published = options.network in (*LITE, *BACKBONES)

    def replica(crops: Any, targets: Any, weights: Any) -> Any:
        # Only what leads to the variables is recorded: frozen layers cost no backward pass.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in variables:
                tape.watch(variable.value)
            with portable_ops.short_gradients(published):
                logits = model(tf.cast(crops[..., None], tf.float32), training=True)[:, 0]
            losses = portable_ops.cross_entropy(targets, logits)
            # Divided by the global batch: the replicas' gradients then add up to the batch's.
            loss = tf.reduce_sum(losses * weights) / options.batch
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return loss

    @tf.function  # type: ignore[untyped-decorator]
    def step(crops: Any, targets: Any, weights: Any) -> Any:
        loss = strategy.run(replica, args=(crops, targets, weights))
        return strategy.reduce("SUM", loss, axis=None)

    if strategy.num_replicas_in_sync == 1:
        return step

    def distributed(*arrays: npt.NDArray[Any]) -> Any:
        def per_replica(array: npt.NDArray[Any]) -> Any:
            return strategy.experimental_distribute_values_from_function(
                lambda at: tf.constant(
                    array[at.replica_id_in_sync_group :: at.num_replicas_in_sync]
                )
            )

        return step(*map(per_replica, arrays))

    return distributed


def targets_of(labels: npt.NDArray[Any], options: TrainOptions) -> tuple[Any, Any]:
    """Smoothed targets and loss weights, float32 (N,) each; the weights have mean 1."""
    positive = labels == 1
    smoothing = options.label_smoothing
    targets = positive * (1 - smoothing) + smoothing / 2
    weights = np.ones(len(labels))
    if options.class_balance:
        share = positive.mean()
        weights = np.where(positive, 0.5 / share, 0.5 / (1 - share))
    return targets.astype(np.float32), weights.astype(np.float32)
