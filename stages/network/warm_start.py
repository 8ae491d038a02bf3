"""A start from a finished model of the same layers, such as one of a registered version."""

from typing import Any

from stages.engine.errors import InputError
from stages.engine.root import from_root
from stages.network import predict
from stages.network.options import TrainOptions


def load(model: Any, options: TrainOptions) -> None:
    """Set all weights of a new network, head included, to those of `options.weights_file`.

    Layers correspond by name. Whether the finished model averages over views makes no difference.

    Raises:
        InputError: The file is missing or no model, or its layers are others.
    """
    path = from_root(str(options.weights_file))
    if not path.is_file():
        raise InputError(
            f"params.yaml: train.weights: expected a finished model, received {options.weights!r}, "
            "which is no file; `pneumonia model fetch` writes those of a version to a folder"
        )
    finished = predict.load_model(path)
    found = {layer.name: layer for layer in finished.layers if layer.weights}
    own = {layer.name: layer for layer in model.layers if layer.weights}
    for name in [*own, *found]:
        shapes = [
            [tuple(weight.shape) for weight in layers[name].weights] if name in layers else None
            for layers in (own, found)
        ]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"params.yaml: train.weights: expected a model with the layers of the network "
                f"{options.network!r}, received {options.weights_file}, whose layer {name!r} has "
                f"weights of the shapes {shapes[1] or 'none'} instead of {shapes[0] or 'none'}"
            )
    for name, layer in own.items():
        layer.set_weights(found[name].get_weights())
