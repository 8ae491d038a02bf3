"""Which layers of a network are looked into: the last one at each resolution."""

import math
from typing import Any

MIN_CELLS = 4
"""Cells on a side below which a map says nothing about places."""


def by_resolution(model: Any, height: int, width: int) -> dict[int, Any]:
    """Find the output of the last layer at each resolution, finest first.

    Layers belong to one resolution if the side of their maps is the image's, halved equally often
    and rounded up: convolutions without padding shrink a map by a cell or two as well.

    Args:
        model: A `keras.Model` of pixels (N, H, W, 1).
        height: Of the images, pixels.
        width: Of the images, pixels.

    Returns:
        The symbolic output (N, H, W, channels) by the number of halvings; maps of fewer than
        MIN_CELLS on a side, and those of up to 3 channels, which are still the image, left out.
    """
    import keras

    outputs = [
        layer.output
        for layer in model.layers
        if not isinstance(layer.output, list) and len(layer.output.shape) == 4
    ]
    shapes = keras.Model(model.inputs, outputs).compute_output_shape((1, height, width, 1))
    found = {
        int(math.log2(min(height, width) / min(shape[1:3]))): output
        for output, shape in zip(outputs, shapes, strict=True)
        if min(shape[1:3]) >= MIN_CELLS and shape[-1] > 3
    }
    return dict(sorted(found.items()))
