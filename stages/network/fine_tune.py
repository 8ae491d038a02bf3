"""Fine-tuning: which variables of a network are trained, and at what share of the learning rate.

Howard & Ruder 2018, "Universal Language Model Fine-tuning", arXiv:1801.06146: layers nearer the
input hold what is general and are changed less.
"""

from dataclasses import dataclass
from typing import Any

import keras

from stages.engine.errors import InputError
from stages.network.layers import stages
from stages.network.options import TrainOptions


@dataclass(frozen=True)
class Tuned:
    """The variables that a training changes, and each one's factor of the learning rate."""

    variables: list[Any]
    factors: list[float]


def prepare(model: Any, options: TrainOptions) -> Tuned:
    """Freeze layers of a network as `options.fine_tune` says. `release` undoes it.

    Raises:
        InputError: The network has fewer stages than are to be frozen.
    """
    chosen = options.fine_tune
    of_layer = stages(model)
    count = max(of_layer.values(), default=0)
    if chosen.frozen_stages > count:
        raise InputError(
            f"params.yaml: train.fine_tune.frozen_stages: expected 0 to {count}, the stages of "
            f"{options.network}, received {chosen.frozen_stages}"
        )
    tuned = Tuned([], [])
    still = []
    for layer in model.layers:
        stage = of_layer.get(layer.name, count + 1)
        if stage <= chosen.frozen_stages:
            still.append(layer)
            continue
        factor = chosen.learning_rate_decay ** (count + 1 - stage)
        tuned.variables.extend(layer.trainable_variables)
        tuned.factors.extend([factor] * len(layer.trainable_variables))
    if chosen.freeze_norm:
        still += [layer for layer in model.layers if _follows_batches(layer)]
    # A layer of Keras that is not trainable keeps its statistics. The variables of one that is only
    # to keep these are trained all the same: they were listed before.
    for layer in still:
        layer.trainable = False
    return tuned


def release(model: Any) -> None:
    """Make all layers trainable again: how a network was trained is no property of its file."""
    for layer in model.layers:  # Keras ignores the assignment to a model that is trainable itself
        layer.trainable = True


def _follows_batches(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)
