"""A network of a few numbers, saved as training saves its own, and an image to classify."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from stages.network import canonical
from stages.network.domain import Domain
from stages.network.predict import QUARTERS

_LAYER = "pixels"

DOMAIN = Domain(
    layers=(_LAYER,),
    channels=(1,),
    mean=np.full((QUARTERS + 1, 1), 128.0),
    deviation=np.ones((QUARTERS + 1, 1)),
    classes=np.zeros((2, 1), np.int64),
    whitening=np.ones((1, 1), np.int32),
    kinds=(),
    discriminants=np.zeros((QUARTERS, 2), np.int32),
    offsets=np.zeros(2),
    middle=np.zeros((2, 1)),
    spread=np.ones((2, 1)),
    limit=60_000.0,
)
"""The domain of that network: images whose mean grey is 68 to 188."""


def make(path: Path, image_px: int = 32) -> None:
    """Save a network whose logit is the image's mean grey, 0 to 255, less 128.

    In a process of its own: Keras warns about new NumPy, and in tests warnings are errors.
    """
    subprocess.run(
        [sys.executable, "-m", __name__, str(path), str(image_px)],
        cwd=Path(__file__).parents[2],
        check=True,
    )


def _save(path: Path, image_px: int) -> None:
    import keras

    images = keras.Input((image_px, image_px, 1), name=_LAYER)
    mean = keras.layers.GlobalAveragePooling2D()(images)
    logit = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Model(images, logit(mean))
    logit.bias.assign([-128.0])
    canonical.save(model, path)


def image(grey: int) -> bytes:
    """A PNG of 64 x 48 pixels whose mean grey is near `grey`."""
    noise = np.random.default_rng(grey).integers(-40, 41, (48, 64))
    done, png = cv2.imencode(".png", (grey + noise).clip(0, 255).astype(np.uint8))
    assert done
    return png.tobytes()


if __name__ == "__main__":
    _save(Path(sys.argv[1]), int(sys.argv[2]))
