"""Slow work for a few at a time: one thread, a short queue, a limit of time."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """No place in the queue, or no turn in time; `retry_s` says when to try again."""

    def __init__(self, retry_s: int) -> None:
        """Keep when to try again, seconds."""
        super().__init__(f"busy for {retry_s} s")
        self.retry_s = retry_s


class Turns:
    """Runs functions one at a time, in a thread of its own.

    What waits longer than `seconds` is not started any more. What runs can't be stopped: it keeps
    its turn, and whoever asked is answered in time.
    """

    def __init__(self, *, waiting: int, seconds: float) -> None:
        """Start with an empty queue.

        Args:
            waiting: How many may be in it, with the one that runs.
            seconds: Until an answer.
        """
        self._most, self._seconds = waiting, seconds
        self._taken, self._counting = 0, threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns.

        Raises:
            BusyError: The queue is full, or `work` took too long.
        """
        busy = BusyError(max(1, round(self._seconds / 4)))
        with self._counting:
            if self._taken >= self._most:
                raise busy
            self._taken += 1
        try:
            future = self._thread.submit(work)
        except RuntimeError:  # closed
            self._free()
            raise busy from None
        future.add_done_callback(self._free)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise busy from None

    def close(self) -> None:
        """Start nothing more; return when what runs has ended."""
        self._thread.shutdown(cancel_futures=True)

    def _free(self, _: object = None) -> None:
        with self._counting:
            self._taken -= 1
