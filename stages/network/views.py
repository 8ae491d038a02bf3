"""Views: a network that looks at each image several times and averages the logits.

The views are part of the saved network, so whatever loads it judges alike. Training sees crops and
knows nothing of them. What the domain and saliency look into is the whole image, the first view.
"""

from typing import Any

import keras
from keras import layers

_CROPPED = 0.9
"""Side of the cropped view, as a share of the image's."""


def with_views(model: Any, views: int, image_px: int) -> Any:
    """Return the network that averages over views; its weights are those of `model`.

    Args:
        model: A `keras.Model` from pixels (N, H, W, 1) to logits (N, 1).
        views: 1: the whole image; 2: and mirrored; 4: and the middle of both, enlarged.
        image_px: Side of the images that it will see, pixels.

    Returns:
        `model` for one view. Otherwise a `keras.Model` from pixels (N, image_px, image_px, 1) to
        logits (N, 1), in which the views of a batch follow each other: the maps of its layers are
        (views * N, H, W, channels), and the first N are those of the whole images.
    """
    if views == 1:
        return model
    pixels = keras.Input((image_px, image_px, 1), name="pixels")
    seen = [pixels]
    if views == 4:
        px = round(_CROPPED * image_px)
        middle = layers.CenterCrop(px, px, dtype="float32", name="middle")(pixels)
        enlarged = layers.Resizing(image_px, image_px, dtype="float32", name="enlarged")
        seen.append(enlarged(middle))
    seen += [keras.ops.flip(view, axis=2) for view in seen]
    stacked = layers.Concatenate(axis=0, dtype="float32", name="views")(seen)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return layer(
            *keras.tree.map_structure(lambda x: stacked if x is pixels else x, args), **kwargs
        )

    # The layers themselves, with their names and weights, on the views instead of the pixels.
    applied = keras.models.clone_model(
        model, input_tensors=pixels, clone_function=lambda layer: layer, call_function=call
    )
    logits = keras.ops.reshape(applied.outputs[0], (views, -1))
    mean = keras.ops.reshape(keras.ops.mean(logits, axis=0), (-1, 1))
    return keras.Model(pixels, mean, name=model.name)
