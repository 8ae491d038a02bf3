"""From pixels to logits, the same in training, evaluation and serving."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.engine import checksums
from stages.engine.errors import InputError

# What zipfile and Keras raise for a damaged file.
_DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError),
    *(zlib.error, zipfile.BadZipFile),
)
Logits = npt.NDArray[np.float32]
_BATCH = 32
"""Images per forward pass: near a larger batch's speed, little waste for a single image."""


def load_model(path: Path) -> Any:
    """Load a `.keras` file in safe mode, in which nothing in the file runs as code.

    Raises:
        InputError: The file is missing, is not a model, or differs from its recorded checksum.
    """
    import keras

    from stages.network import portable_ops

    portable_ops.install()
    if not path.is_file():
        raise InputError(f"{path}: expected a .keras model, found no file; run `dvc repro`")
    if path.suffix != ".keras":  # Keras reads other formats in older, less safe ways
        raise InputError(
            f"{path}: expected a .keras model, received a {path.suffix or 'bare'} file"
        )
    checksums.verify_file(path)
    try:
        _check_members(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except _DAMAGE as error:
        raise InputError(
            f"{path}: expected a .keras model, received a file that does not load ({error}); "
            "run `dvc repro` to make it again"
        ) from error


def _check_members(path: Path) -> None:
    """Raise BadZipFile if the bytes of a member do not match its checksum.

    Keras seeks in the weights, and after a seek zipfile compares no checksum (since Python 3.12).
    """
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} does not match its checksum")


def predictor(model: Any) -> Callable[[npt.NDArray[np.uint8]], Logits]:
    """Make a function from images, uint8 (N, H, W), 0 to 255, to logits, float32 (N,).

    Every batch has the same size (a short one is filled up), so one graph is traced per image
    size, and to the last bit an image's logit does not depend on the others in its batch.
    """
    import tensorflow as tf

    from stages.network import portable_ops

    portable_ops.install()

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def forward(pixels: Any) -> Any:
        return model(tf.cast(pixels[..., None], tf.float32), training=False)[:, 0]

    def logits(images: npt.NDArray[np.uint8]) -> Logits:
        results = [np.zeros(0, np.float32)]
        for start in range(0, len(images), _BATCH):
            part = np.asarray(images[start : start + _BATCH])
            filled = np.concatenate([part, np.repeat(part[-1:], _BATCH - len(part), axis=0)])
            results.append(forward(tf.constant(filled)).numpy()[: len(part)])
        return np.concatenate(results)

    return logits
