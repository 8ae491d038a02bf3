"""Section `train.fine_tune`. Imports no TensorFlow."""

from typing import Annotated

from pydantic import Field

from stages.engine.options import Options


class FineTuneOptions(Options):
    """How much of the initial weights a training keeps. Each key has a value that does nothing.

    Stages are counted from the pixels: layers whose maps have one size (network/layers.py).
    """

    frozen_stages: Annotated[int, Field(ge=0, le=10)]
    """This many stages, from the pixels on, keep their weights and statistics; 0 for none. Their
    gradients are not computed, so a step is faster."""

    freeze_norm: bool
    """Batch normalisation keeps the means and variances that it starts with, instead of following
    the batches; its scales and shifts are trained."""

    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    """Factor of the learning rate from one stage to the one before it; the head, after the last
    stage, has the whole rate. 1 gives all the same."""

    def at_work(self) -> dict[str, tuple[object, object]]:
        """Return the keys that do something: what each is, and its value that does nothing."""
        nothing = {"frozen_stages": 0, "freeze_norm": False, "learning_rate_decay": 1.0}
        given = self.model_dump()
        return {key: (given[key], off) for key, off in nothing.items() if given[key] != off}
