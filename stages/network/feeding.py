"""Batches of training crops, made by a thread while the network computes."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from stages.engine.arrays import GrayImages
from stages.network.augment import crop
from stages.network.options import AugmentOptions

_AHEAD = 4
"""Batches made in advance: enough to cover a slow one, in little memory."""


@dataclass
class Feeder:
    """Random crops of images, in the random order of an epoch.

    Attributes:
        images: uint8 (N, H, W), 0 to 255.
        px: Side of a crop, pixels.
        batch: Crops per step.
        seed: `train.seed`, of order and augmentation.
        augment: How far an image may be altered.
        waited_s: Seconds that the reader has waited for a batch so far.
    """

    images: GrayImages
    px: int
    batch: int
    seed: int
    augment: AugmentOptions
    waited_s: float = field(default=0.0, init=False)

    @property
    def steps(self) -> int:
        """Full batches per epoch; which images are left over changes with the epoch."""
        return len(self.images) // self.batch

    def epoch(self, epoch: int) -> Iterator[tuple[GrayImages, npt.NDArray[np.int64]]]:
        """Yield the crops, uint8 (batch, px, px), and records, int64 (batch,), of every step."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        parts = order[: self.steps * self.batch].reshape(self.steps, self.batch)
        ready: queue.Queue[GrayImages | Exception] = queue.Queue(maxsize=_AHEAD)
        stop = threading.Event()
        maker = threading.Thread(
            target=self._make, args=(epoch, parts, ready, stop), name="feeder", daemon=True
        )
        maker.start()
        try:
            for records in parts:
                start = time.perf_counter()
                crops = ready.get()
                self.waited_s += time.perf_counter() - start
                if isinstance(crops, Exception):
                    raise crops
                yield crops, records
        finally:
            stop.set()
            while maker.is_alive():  # a reader that left early frees the maker's last put
                try:
                    ready.get(timeout=0.05)
                except queue.Empty:
                    continue

    def _make(
        self,
        epoch: int,
        parts: npt.NDArray[np.int64],
        ready: "queue.Queue[GrayImages | Exception]",
        stop: threading.Event,
    ) -> None:
        cv2.setNumThreads(1)  # the cores belong to the network
        try:
            for records in parts:
                if stop.is_set():
                    return
                ready.put(self.crops(epoch, records))
        except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
            ready.put(error)

    def crops(self, epoch: int, records: npt.NDArray[np.int64]) -> GrayImages:
        """Crops, uint8 (N, px, px), of the images at `records`, as this epoch sees them."""
        crops = np.empty((len(records), self.px, self.px), np.uint8)
        for place, record in enumerate(records.tolist()):
            crops[place] = crop(
                self.images[record],
                self.px,
                self.augment,
                seed=self.seed,
                epoch=epoch,
                record=record,
            )
        return crops
