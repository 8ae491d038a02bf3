"""One thread for the network, which answers together whatever waits.

There is no window in which it waits for more: while it answers, others gather. An answer does not
depend on what stands beside it (`ServedModel.place_matters`).
"""

import functools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np

from stages.engine.arrays import GrayImage
from stages.network.detector import Answer
from stages.serving.seams import Metrics
from stages.serving.served import ServedModel

MOST = 32
"""Images in one go: four of the network's own batches of 8, so that nobody waits long."""

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class _Image:
    served: ServedModel
    pixels: GrayImage
    future: "Future[Answer]" = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class _Call:
    function: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=Future)

    def results(self) -> list[Any]:
        return [self.function()]


_Work: TypeAlias = _Image | _Call


class Batcher:
    """The network's thread, and what waits for it. How much may wait, its callers decide."""

    def __init__(self, metrics: Metrics) -> None:
        """Start the thread.

        Args:
            metrics: Gets the sizes of batches and the seconds of the network.
        """
        self._metrics = metrics
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def answer(self, served: ServedModel, pixels: GrayImage) -> "Future[Answer]":
        """Return the answer to come for a prepared image, uint8 (H, W)."""
        image = _Image(served, pixels)
        self._waiting.put(image)
        return image.future

    def call(self, function: Callable[[], Result]) -> "Future[Result]":
        """Return the result to come of a function that uses the network, as an overlay does."""
        call = _Call(function)
        self._waiting.put(call)
        return call.future

    def close(self) -> None:
        """End the thread after what waits."""
        self._waiting.put(None)

    def _run(self) -> None:
        while True:
            work = [self._waiting.get()]
            while len(work) < MOST and not self._waiting.empty():
                work.append(self._waiting.get())
            ended = None in work
            wanted = [one for one in work if one and one.future.set_running_or_notify_cancel()]
            groups: dict[tuple[int, tuple[int, ...]], list[_Image]] = {}
            for one in wanted:
                if isinstance(one, _Image):
                    groups.setdefault((id(one.served), one.pixels.shape), []).append(one)
            for images in groups.values():
                self._answer(images)
            for one in wanted:
                if isinstance(one, _Call):
                    _fulfil([one.future], one.results)
            if ended:
                return

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
