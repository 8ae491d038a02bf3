"""Saliency: LayerCAM maps of what the network responds to, and a sheet of them.

LayerCAM (Jiang et al. 2021, IEEE TIP 30:5875-5888) is Grad-CAM with a weight per location instead
of one per channel: relu(gradient) x activation, summed over channels. Of the methods and layers
tried on phantoms, whose lesions are known, it hit them most often (docs/log.md).
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stages.engine.arrays import ColorImage, GrayImage, GrayImages
from stages.network.layers import by_resolution

_TILE, _PER_ROW = 176, 4

Maps = npt.NDArray[np.float32]


def heatmaps(model: Any, images: GrayImages) -> Maps:
    """Map what speaks for pneumonia in each image.

    Args:
        model: A `keras.Model` with one logit per image.
        images: uint8 (N, H, W), 0 to 255.

    Returns:
        float32 (N, H, W), 0 to 1 in each map.
    """
    height, width = images.shape[1:]
    return mapper(model, height, width)(images)


def mapper(model: Any, height: int, width: int) -> Callable[[GrayImages], Maps]:
    """Make `heatmaps` of a model for images of one size, pixels; for many calls."""
    import keras
    import tensorflow as tf

    # The deepest layer whose maps still show places.
    *_, layer = by_resolution(model, height, width).values()
    split = keras.Model(model.inputs, [layer, model.outputs[0]])

    def maps(images: GrayImages) -> Maps:
        with tf.GradientTape() as tape:
            pixels = tf.cast(images[..., None], tf.float32)
            activation, logits = split(pixels, training=False)
        gradient = tape.gradient(logits, activation)
        # Of a network with several views, the first are the whole images.
        activation, gradient = activation[: len(images)], gradient[: len(images)]
        weighted = tf.reduce_sum(tf.nn.relu(gradient) * activation, axis=-1).numpy()
        resized = [
            np.maximum(cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC), 0)
            for cells in weighted.astype(np.float32)
        ]
        return np.stack([cells / max(float(cells.max()), 1e-12) for cells in resized])

    return maps


def overlay(image: GrayImage, cells: npt.NDArray[np.float32]) -> ColorImage:
    """Draw a map, float32 (H, W), 0 to 1, over its image, uint8 (H, W); uint8 RGB (H, W, 3)."""
    grey = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    colour = cv2.applyColorMap(np.rint(cells * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    share = 0.6 * cells[..., None]
    mixed = grey * (1 - share) + cv2.cvtColor(colour, cv2.COLOR_BGR2RGB) * share
    drawn: ColorImage = np.rint(mixed).astype(np.uint8)
    return drawn


def png(picture: ColorImage) -> bytes:
    """Encode a picture, uint8 RGB (H, W, 3), as PNG."""
    return bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


def sheet(model: Any, images: GrayImages, captions: list[str]) -> ColorImage:
    """Draw each image, its overlay beside it and a caption below.

    Args:
        model: A `keras.Model` with one logit per image.
        images: uint8 (N, H, W), 0 to 255.
        captions: One line of ASCII per image.

    Returns:
        uint8 RGB (H, W, 3).
    """
    tiles = []
    for image, cells, caption in zip(images, heatmaps(model, images), captions, strict=True):
        pair = np.hstack([cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), overlay(image, cells)])
        tile = cv2.resize(pair, (2 * _TILE, _TILE), interpolation=cv2.INTER_AREA)
        tile = cv2.copyMakeBorder(tile, 4, 26, 4, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        place, colour_of_text = (8, tile.shape[0] - 9), (20, 20, 20)
        font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.42
        cv2.putText(tile, caption, place, font, scale, colour_of_text, 1, cv2.LINE_AA)
        tiles.append(tile)
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % _PER_ROW)
    rows = [np.hstack(tiles[n : n + _PER_ROW]) for n in range(0, len(tiles), _PER_ROW)]
    return np.vstack(rows)


def sheet_png(model: Any, images: GrayImages, captions: list[str]) -> bytes:
    """Draw `sheet` and encode it as PNG."""
    return png(sheet(model, images, captions))
