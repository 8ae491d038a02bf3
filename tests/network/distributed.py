"""Run one training, alone or as one of several: `python -m tests.network.distributed ...`.

Takes MODE NETWORK FOLDER and writes FOLDER/<task>.npz. MODE is "one" (one device), "mirrored" (two
logical devices of this process) or "worker" (one of the processes in TF_CONFIG). NETWORK is "plain"
or "compact".
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from stages.engine import devices
from stages.network import loop
from stages.network.options import TrainOptions
from tests.changed import changed
from tests.network.tiny import OPTIONS, Judge, images

SHORT = changed(OPTIONS, epochs=2, learning_rate=0.05, monitor="val_loss")


def plain(options: TrainOptions, image_px: int) -> Any:
    """Return a network without normalisation, on which replicas agree up to rounding."""
    keras.utils.set_random_seed(options.seed)
    pixels = keras.Input((None, None, 1))
    features = layers.Rescaling(1 / 128, offset=-1)(pixels)
    features = layers.Conv2D(4, 3, strides=2, activation="relu")(features)
    pooled = layers.GlobalAveragePooling2D()(features)
    return keras.Model(pixels, layers.Dense(1)(pooled))


def main(mode: str, network: str, folder: Path) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    if mode == "mirrored":
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
        devices.strategy = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    if network == "plain":
        vars(loop)["build"] = plain
    trained = loop.train(
        SHORT,
        loop.Images(*images(25)),
        Judge(),
        image_px=32,
        folder=folder / "checkpoints",
        on_epoch=lambda _: None,
    )
    history = np.array([list(row.values()) for row in trained.history])
    task = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]["index"]
    np.savez(folder / f"{task}.npz", history, *trained.model.get_weights())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
