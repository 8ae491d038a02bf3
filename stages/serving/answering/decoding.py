"""Decode images in processes of their own, which a file may hang or kill without any other harm.

The pools of joblib and concurrent.futures are broken as a whole by one dead worker, and can't end a
single one that hangs; hence a process with a socket for each worker.
"""

import asyncio
import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from stages.engine.arrays import GrayImage
from stages.network.preparing import Prepared
from stages.serving.answering import decode_worker
from stages.serving.answering.decode_worker import KEPT, LOAD, PREPARE
from stages.serving.answering.worker_pipe import receive, send
from stages.serving.served import Preparer, ServedModel

TIMEOUT, CRASHED = "timeout", "crashed"
"""Kinds of refusals."""

_START_SECONDS = 60
"""For a new worker to start and to import a version's code, on a busy machine."""

_MOST_JSON, _MOST_PIXELS = 1 << 16, 1 << 24
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


class DecodingFailed(Exception):  # noqa: N818  an answer about one image
    """A worker hung or died over an image.

    Args:
        kind: TIMEOUT or CRASHED.
        reason: In words.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


class Decoder:
    """A few worker processes, and for each a thread that waits for it."""

    def __init__(self, workers: int, seconds: float) -> None:
        """Start no process yet.

        Args:
            workers: Processes.
            seconds: For one image.
        """
        self._seconds, self._count = seconds, workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        # Format 1 decodes in this process: what hangs there takes one of these threads for good.
        self._here = ThreadPoolExecutor(workers, thread_name_prefix="decode-here")
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(_Worker())
        self._workers = list(self._idle.queue)

    def warm(self, served: ServedModel) -> None:
        """Start all workers and import a version's code in them, before its first image.

        One after the other, so that the others decode meanwhile.

        Raises:
            DecodingFailed: They can't import it.
        """
        if served.preparer is None:
            return
        warmed: list[_Worker] = []
        for _ in range(self._count):
            # By these threads: the kernel ends a worker with the thread that started it. No worker
            # is held while its thread is waited for, which may itself wait for a worker.
            self._threads.submit(self._warm_another, served.preparer, warmed).result()

    async def prepare(self, served: ServedModel, image: bytes) -> tuple[Prepared, float]:
        """Return what a version makes of an image file, and the seconds that this took.

        Raises:
            DecodingFailed: It took too long, or killed the process that tried.
        """
        loop = asyncio.get_running_loop()
        if served.preparer is not None:
            return await loop.run_in_executor(self._threads, self._ask, served.preparer, image)
        started = time.monotonic()
        prepared = loop.run_in_executor(self._here, served.detector.prepare, image)
        try:
            async with asyncio.timeout(self._seconds):
                return await prepared, time.monotonic() - started
        except TimeoutError:
            raise _too_slow(self._seconds) from None

    def close(self) -> None:
        """End all workers."""
        for threads in (self._threads, self._here):
            threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.end()

    def _warm_another(self, preparer: Preparer, warmed: "list[_Worker]") -> None:
        """Import a version's code in a worker that is not among `warmed`, and add that one."""
        passed: list[_Worker] = []
        while (worker := self._idle.get()) in warmed:
            passed.append(worker)
        for other in passed:
            self._idle.put(other)
        try:
            worker.load(preparer)
            warmed.append(worker)
        finally:
            self._idle.put(worker)

    def _ask(self, preparer: Preparer, image: bytes) -> tuple[Prepared, float]:
        worker = self._idle.get()
        try:
            return worker.prepare(preparer, image, self._seconds)
        finally:
            self._idle.put(worker)


class _Worker:
    """A process that is started when it is needed, and again after it was ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = socket.socket()
        self._versions: list[str] = []

    def load(self, preparer: Preparer) -> None:
        """Import a version's code, unless it is that of one of the last versions."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        key = preparer.key
        if key in self._versions:
            return
        described = json.dumps(preparer.description).encode()
        size = len(described).to_bytes(4, "big")
        deadline = time.monotonic() + _START_SECONDS
        with self._ending_what_fails(_START_SECONDS):
            send(self._pipe, LOAD, key.encode(), size, described, preparer.code, deadline=deadline)
            reply = self._reply(deadline)
        if "error" in reply:
            raise DecodingFailed(CRASHED, f"the version's code fails ({_word(reply['error'])})")
        self._versions = [*self._versions, key][-KEPT:]

    def prepare(self, preparer: Preparer, image: bytes, seconds: float) -> tuple[Prepared, float]:
        """Return what a version makes of an image file, and the seconds that this took."""
        self.load(preparer)
        deadline = time.monotonic() + seconds
        with self._ending_what_fails(seconds):
            send(self._pipe, PREPARE, preparer.key.encode(), image, deadline=deadline)
            reply = self._reply(deadline)
            pixels = None
            if reply.get("shape") is not None:
                received = receive(self._pipe, _MOST_PIXELS, deadline=deadline)
                pixels = np.frombuffer(received, np.uint8).reshape(reply["shape"])
                if pixels.ndim != 2:
                    raise ValueError(f"expected a grey image, received {pixels.ndim} dimensions")
            if "error" not in reply:
                return _prepared(reply, pixels), float(reply["seconds"])
        raise DecodingFailed(CRASHED, f"the image could not be decoded ({_word(reply['error'])})")

    def end(self) -> None:
        """End the process; the next image starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pipe.close()

    def _reply(self, deadline: float) -> dict[str, Any]:
        return dict(json.loads(receive(self._pipe, _MOST_JSON, deadline=deadline)))

    @contextlib.contextmanager
    def _ending_what_fails(self, seconds: float) -> Iterator[None]:
        """End a worker that is late, gone, or answers what it must not."""
        try:
            yield
        except TimeoutError:
            self.end()
            raise _too_slow(seconds) from None
        except (OSError, ValueError, TypeError, KeyError):
            self.end()
            raise DecodingFailed(CRASHED, "the image ended the process that decoded it") from None

    def _start(self) -> None:
        self._pipe.close()
        self._pipe, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, sys.path))  # never the current folder
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    decode_worker.__name__,
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | _ENVIRONMENT | {"PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is for the service, which then ends its workers
            )
        self._versions = []


def _prepared(reply: Mapping[str, Any], pixels: GrayImage | None) -> Prepared:
    """Return what a worker sent, of the types that are expected, whoever wrote it."""
    reason = None if reply["reason"] is None else str(reply["reason"])
    if reason is None and pixels is None:
        raise ValueError("expected pixels or a reason, received none")
    return Prepared(pixels, reason, tuple(map(str, reply["cautions"])), dict(reply["facts"]))


def _word(name: object) -> str:
    """Return the name of an exception, if it is one."""
    return str(name) if str(name).isidentifier() else "an error"


def _too_slow(seconds: float) -> DecodingFailed:
    return DecodingFailed(TIMEOUT, f"decoding the image took more than {seconds:g} s")
