"""This project's half."""

import sys

import numpy as np

from stages.engine import devices
from stages.settings import params
from tests.bench.speed.tasks import Prepared, serve


def prepare(network: str, batch: int, crop_px: int, image_px: int) -> Prepared:
    """Return a network and its data."""
    from stages.network import fine_tune
    from stages.network.model import build
    from stages.network.predict import predictor
    from stages.network.step import make_optimizer, make_step, targets_of

    changes = {"network": network, "batch": batch, "crop_px": crop_px, "ema": 0.0}
    options = params.load().train.model_copy(update=changes)
    model = build(options, image_px)
    tuned = fine_tune.prepare(model, options)
    optimizer = make_optimizer(options, 100, tuned)
    step = make_step(devices.strategy(), model, optimizer, options, tuned.variables)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (batch, crop_px, crop_px), dtype=np.uint8)
    whole = rng.integers(0, 256, (8, image_px, image_px), dtype=np.uint8)
    targets, weights = targets_of(np.arange(batch) % 2, options)
    logits = predictor(model)

    def train() -> None:
        float(step(crops, targets, weights))

    def predict() -> None:
        logits(whole)

    count = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    return Prepared(count, train, predict)


def main() -> None:
    import tensorflow as tf

    devices.configure(int(sys.argv[1]))
    serve(f"TensorFlow {tf.__version__}", prepare)


if __name__ == "__main__":
    main()
