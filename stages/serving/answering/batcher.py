"""One thread for the network, which answers together whatever waits.

A lone image is answered at once. While others are being decoded, the thread waits a little for
them: a batch costs the network the same with one image as with eight, and what it spends on empty
places the decoders lack. An answer does not depend on what stands beside it
(`ServedModel.place_matters`).
"""

import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from stages.engine.arrays import GrayImage
from stages.network.detector import Answer
from stages.serving.seams import Metrics
from stages.serving.served import ServedModel

MOST = 32
"""Images in one go: four of the network's own batches of 8, so that nobody waits long."""

ENOUGH = 8
"""Images that are not kept waiting for more: one of the network's own batches."""

PATIENCE_SECONDS = 0.15
"""How long an image waits for others that are being decoded, however long that takes them."""


@dataclass(frozen=True, eq=False)
class _Image:
    served: ServedModel
    pixels: GrayImage
    since: float
    future: "Future[Answer]" = field(default_factory=Future)


Arrive: TypeAlias = Callable[[ServedModel, GrayImage], "Future[Answer]"]
"""Takes a prepared image, uint8 (H, W), to the network."""


class Batcher:
    """The network's thread, and what waits for it. How much may wait, its callers decide."""

    def __init__(self, metrics: Metrics) -> None:
        """Start the thread.

        Args:
            metrics: Gets the sizes of batches and the seconds of the network.
        """
        self._metrics = metrics
        self._changed = threading.Condition()
        self._waiting: deque[_Image] = deque()
        self._coming, self._closed = 0, False
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def expecting(self) -> Iterator[Arrive]:
        """Say that an image is being decoded; yield what takes it to the network, if it can be."""
        with self._changed:
            self._coming += 1
        arrived = False

        def arrive(served: ServedModel, pixels: GrayImage) -> "Future[Answer]":
            nonlocal arrived
            arrived = True
            return self.answer(served, pixels, coming=-1)

        try:
            yield arrive
        finally:
            if not arrived:
                with self._changed:
                    self._coming -= 1
                    self._changed.notify()

    def answer(
        self, served: ServedModel, pixels: GrayImage, *, coming: int = 0
    ) -> "Future[Answer]":
        """Return the answer to come for a prepared image, uint8 (H, W)."""
        image = _Image(served, pixels, time.monotonic())
        with self._changed:
            self._coming += coming
            self._waiting.append(image)
            self._changed.notify()
        return image.future

    def close(self) -> None:
        """End the thread after what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _take(self) -> list[_Image]:
        """Return the images to answer together, once it is worth it; nothing at the end."""
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            while (seconds := self._patience()) > 0:
                self._changed.wait(seconds)
            return [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]

    def _patience(self) -> float:
        """Return for how many seconds it is still worth to wait for more."""
        if self._closed or not self._coming or len(self._waiting) >= ENOUGH:
            return 0
        return self._waiting[0].since + PATIENCE_SECONDS - time.monotonic()

    def _run(self) -> None:
        while taken := self._take():
            groups: dict[tuple[int, tuple[int, ...]], list[_Image]] = {}
            for one in taken:
                if one.future.set_running_or_notify_cancel():
                    groups.setdefault((id(one.served), one.pixels.shape), []).append(one)
            for images in groups.values():
                self._answer(images)

    def _answer(self, images: list[_Image]) -> None:
        served = images[0].served
        size = 1 if served.place_matters else len(images)
        for start in range(0, len(images), size):
            part = images[start : start + size]
            self._metrics.batch(len(part))
            started = time.monotonic()
            stack = np.stack([image.pixels for image in part])
            _fulfil(
                [image.future for image in part], functools.partial(served.detector.answer, stack)
            )
            self._metrics.stage("network", time.monotonic() - started)


def _fulfil(futures: "list[Future[Any]]", function: Callable[[], list[Any]]) -> None:
    """Give each future its result, or all of them the exception."""
    try:
        results = function()
        if len(results) != len(futures):
            raise RuntimeError(f"expected {len(futures)} answers, received {len(results)}")
    except Exception as error:  # noqa: BLE001  it belongs to whoever waits
        for future in futures:
            future.set_exception(error)
        return
    for future, result in zip(futures, results, strict=True):
        future.set_result(result)
