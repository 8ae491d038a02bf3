"""Layers of a network by the size of their maps: those looked into, and stages of fine-tuning."""

import math
from typing import Any

MIN_CELLS = 4
"""Cells on a side below which a map says nothing about places."""

_NOMINAL_PX = 512
"""Side of the image for which stages are found: halved five times, it is even."""


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
    found = {
        halvings: layer.output
        for layer, halvings in _halvings(model, height, width)
        if halvings is not None and layer.output.shape[-1] > 3
    }
    return dict(sorted(found.items()))


def stages(model: Any) -> dict[str, int]:
    """Number the stages of a network: its layers with weights, by the resolution of their maps.

    Squeeze-and-excitation, whose maps are one cell, belongs to the layers before it.

    Args:
        model: A `keras.Model` of pixels (N, H, W, 1).

    Returns:
        The stage of each layer with trainable weights and maps, from 1, by name. A layer without
        maps belongs to none: it is the head's.
    """
    side = model.input_shape[1] or _NOMINAL_PX
    halved: dict[str, int] = {}
    latest = 0
    for layer, halvings in _halvings(model, side, side):
        latest = latest if halvings is None else halvings
        if layer.trainable_variables:
            halved[layer.name] = latest
    number = {halvings: n for n, halvings in enumerate(sorted(set(halved.values())), start=1)}
    return {name: number[halvings] for name, halvings in halved.items()}


def _halvings(model: Any, height: int, width: int) -> list[tuple[Any, int | None]]:
    """List the layers with maps, and how often each has halved the side; None below MIN_CELLS."""
    import keras

    layers = [
        layer
        for layer in model.layers
        if not isinstance(layer.output, list) and len(layer.output.shape) == 4
    ]
    network = keras.Model(model.inputs, [layer.output for layer in layers])
    shapes = network.compute_output_shape((1, height, width, 1))
    sides = [min(shape[1:3]) for shape in shapes]
    return [
        (layer, int(math.log2(min(height, width) / side)) if side >= MIN_CELLS else None)
        for layer, side in zip(layers, sides, strict=True)
    ]
