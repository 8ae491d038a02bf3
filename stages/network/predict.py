"""From pixels to logits, the same in training, evaluation and serving."""

import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stages.engine import checksums
from stages.engine.arrays import GrayImages
from stages.engine.errors import InputError

if TYPE_CHECKING:
    from stages.network.domain import Domain

# What zipfile and Keras raise for a damaged file.
_DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError),
    *(zlib.error, zipfile.BadZipFile),
)
Logits = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
QUARTERS = 4
BATCH = 8
"""Images per forward pass, one size for training's validation, evaluation and service: results are
equal because the graph is one. A batch of 32 takes a fifth to a quarter less time per image; one
image alone wastes seven places instead of 31."""


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


def predictor(model: Any) -> Callable[[GrayImages], Logits]:
    """Make a function from images, uint8 (N, H, W), 0 to 255, to logits, float32 (N,)."""
    forward = _forward(model, ())
    return lambda images: forward(images)[0]


def answerer(
    model: Any, domain: "Domain", batch: int = BATCH
) -> Callable[[GrayImages], tuple[Logits, Scores]]:
    """Make a function from images to their logits and domain scores, in one forward pass.

    Args:
        model: The network.
        domain: What it was trained on.
        batch: Images per forward pass; another size than BATCH may give other last bits.

    Returns:
        A function from images, uint8 (N, H, W), 0 to 255, to logits, float32 (N,), equal to those
        of `predictor` to the last bit, and scores, float64 (N,), above 1 for what must be refused.
    """
    forward = _forward(model, domain.layers, batch)

    def answers(images: GrayImages) -> tuple[Logits, Scores]:
        logits, features = forward(images)
        return logits, domain.score(features)

    return answers


def pooler(model: Any, layers: Sequence[str]) -> Callable[[GrayImages], Features]:
    """Make a function from images, uint8 (N, H, W), to the pooled outputs of some layers.

    Each map is averaged over its quarters, which still tell which way up an image is.

    Args:
        model: The network.
        layers: Names of layers with maps.

    Returns:
        A function to float32 (N, QUARTERS, channels of all layers), row by row.
    """
    forward = _forward(model, layers)
    return lambda images: forward(images)[1]


def _forward(
    model: Any, layers: Sequence[str], batch: int = BATCH
) -> Callable[[GrayImages], tuple[Logits, Features]]:
    """Make a function from images to logits and the pooled outputs of layers.

    Every batch has the same size (a short one is filled up), so one graph is traced per image
    size, and to the last bit an image's results do not depend on the others in its batch; those of
    the network "seed" depend on its place there, in the last bits.
    """
    import keras
    import tensorflow as tf

    from stages.network import portable_ops

    portable_ops.install()
    outputs = [model.get_layer(name).output for name in layers]
    network = keras.Model(model.inputs, [model.outputs[0], *outputs]) if layers else None
    channels = sum(output.shape[-1] for output in outputs)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def forward(pixels: Any) -> Any:
        pixels = tf.cast(pixels[..., None], tf.float32)
        if network is None:
            return model(pixels, training=False)[:, 0], tf.zeros((batch, QUARTERS, 0))
        logits, *maps = network(pixels, training=False)
        wholes = [tf.cast(m[:batch], tf.float32) for m in maps]  # of several views, the first
        return logits[:, 0], tf.concat([_quarters(m) for m in wholes], axis=-1)

    def results(images: GrayImages) -> tuple[Logits, Features]:
        logits, features = (
            [np.zeros(0, np.float32)],
            [np.zeros((0, QUARTERS, channels), np.float32)],
        )
        for start in range(0, len(images), batch):
            part = np.asarray(images[start : start + batch])
            filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
            for kept, result in zip((logits, features), forward(tf.constant(filled)), strict=True):
                kept.append(result.numpy()[: len(part)])
        return np.concatenate(logits), np.concatenate(features)

    return results


def _quarters(maps: Any) -> Any:
    """Average maps (N, H, W, channels) over each quarter; quarters of odd sides overlap."""
    import tensorflow as tf

    height, width = tf.shape(maps)[1], tf.shape(maps)[2]
    halves = maps[:, : -(-height // 2)], maps[:, height // 2 :]
    quarters = [
        part for half in halves for part in (half[:, :, : -(-width // 2)], half[:, :, width // 2 :])
    ]
    return tf.stack([tf.reduce_mean(part, axis=(1, 2)) for part in quarters], axis=1)
