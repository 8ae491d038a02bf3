"""Train the model of a block, or continue where it was stopped, and keep what it answers.

Everything lies under a name made of all that decides the model, so nothing is trained twice, and
what is stored for other params, code or images is never taken.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import GrayImages
from stages.engine.console import print_note
from stages.engine.files import digest, sha256_bytes, sha256_file, write_bytes
from stages.engine.root import from_root
from stages.metrics.monitor import Monitor
from stages.network.options import TrainOptions
from stages.network.pretrained import published
from stages.settings import digests
from stages.studies.tail_blocks import Block

FOLDER = Path(".cache/tail")
Logits = NDArray[np.float32]


class BlockModel:
    """The model of one block, trained at the first question that is not answered yet.

    Attributes:
        name: Number of the block, and the seed.
    """

    def __init__(self, block: Block, options: TrainOptions, data: str) -> None:
        """Name the model; nothing is trained.

        Args:
            block: Images to train on, and to choose the epoch on.
            options: The section train of params, changes included.
            data: The digest of the shards.
        """
        self.name = (block.number, options.seed)
        self._block, self._options = block, options
        self._folder = FOLDER / _name(block, options, data)
        self._network: Callable[[GrayImages], Logits] | None = None

    def logits(self, images: GrayImages) -> Logits:
        """Return the logits of images, uint8 (N, H, W), float32 (N,); from a file if it is there.

        The file is named by the images' pixels and by the views, which training does not know.
        """
        name = sha256_bytes(np.ascontiguousarray(images).tobytes())[:32]
        path = self._folder / f"{name}-{self._options.views}.logits"
        if path.is_file():
            return np.frombuffer(path.read_bytes(), np.float32)
        if self._network is None:
            self._network = self._make()
        found = self._network(images).astype(np.float32)
        write_bytes(path, found.tobytes())
        return found

    def _make(self) -> Callable[[GrayImages], Logits]:
        from stages.network import predict
        from stages.network.views import with_views

        path = self._folder / "model.keras"
        if not path.is_file():
            self._train(path)
        side = self._block.train.pixels.shape[1]
        return predict.predictor(with_views(predict.load_model(path), self._options.views, side))

    def _train(self, path: Path) -> None:
        from stages.network import canonical, loop

        block, options = self._block, self._options
        monitor = Monitor(block.validation)
        monitor.require(options.monitor)
        labels = block.train.records["label"].to_numpy()
        print_note(
            f"block {block.number}: {int((labels == 0).sum())} normals and "
            f"{int((labels == 1).sum())} positives to train on, {len(block.normals.records)} "
            "normals held out"
        )
        checkpoints = self._folder / "checkpoints"
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the tables
            trained = loop.train(
                options,
                loop.Images(np.asarray(block.train.pixels), labels),
                monitor,
                image_px=block.train.pixels.shape[1],
                folder=checkpoints,
                on_epoch=lambda _: None,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        canonical.save(trained.model, path)
        shutil.rmtree(checkpoints, ignore_errors=True)


def _name(block: Block, options: TrainOptions, data: str) -> str:
    """Digest of the images by role, params, code, environment and first weights."""
    images = {role.name: role.records["id"].tolist() for role in (block.train, *block.validation)}
    file = options.weights_file
    weights = sha256_file(from_root(file)) if file else published.sha256(options)
    facts: dict[str, Any] = {
        "training": digests.training_digest(options, data),
        "images": images,
        "network": [options.network, options.weights if not file else None, weights],
    }
    return digest(facts)[:32]
