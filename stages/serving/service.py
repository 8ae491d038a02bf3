"""What the service does with images, whatever way they come in."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from stages.serving.answering.batcher import Batcher
from stages.serving.answering.decoding import Decoder, DecodingFailed
from stages.serving.options import ServeOptions
from stages.serving.seams import AnswerLine, AnswerLog, Follower, Metrics, NoAnswerLog
from stages.serving.served import ServedModel
from stages.serving.web.answers import OUT_OF_DOMAIN, Judged, Refusal, unreadable
from stages.serving.web.limits import Room, busy, ending
from stages.serving.web.problems import Problem


class Service:
    """The parts of the service, and how many images are on their way through them.

    Attributes:
        options: Of the command.
        follower: Has the version that answers.
        metrics: Counts.
        room: What bodies may take of the memory.
        admitted: Images on their way.
        draining: Whether the service is about to end: requests that have started are answered.
    """

    def __init__(
        self,
        options: ServeOptions,
        follower: Follower,
        decoder: Decoder,
        batcher: Batcher,
        answer_log: AnswerLog,
        metrics: Metrics,
    ) -> None:
        """Connect the parts; nothing is started."""
        self.options, self.follower, self.metrics = options, follower, metrics
        self._decoder, self._batcher, self._answer_log = decoder, batcher, answer_log
        self.room = Room(options.limits.waiting_bytes)
        self.draining = False
        self.admitted = 0
        self._closing: list[Callable[[], None]] = []

    def version(self) -> ServedModel:
        """Return the version that answers a request which begins now.

        Raises:
            Problem: None is loaded yet, or the service is about to end.
        """
        if self.draining:
            raise ending()
        served = self.follower.current
        if served is None:
            raise Problem(
                503,
                "not_ready",
                "no version is loaded yet",
                "ask again in some seconds; GET /readyz tells when",
                {"Retry-After": "5"},
            )
        return served

    def require_room(self) -> None:
        """Raise Problem if the queue is full, before a body is read."""
        if self.admitted >= self.options.limits.queue_images:
            raise busy("as many images wait as may")

    async def judge(self, served: ServedModel, images: Sequence[bytes]) -> list[Judged]:
        """Return what a version makes of each image, in order.

        Raises:
            Problem: Too many images wait already.
        """
        with self._admit(len(images)):
            return list(await asyncio.gather(*(self._judge(served, image) for image in images)))

    async def look(self, served: ServedModel, image: bytes, *, answered: bool) -> Judged:
        """Return what is needed to draw an image; counts no answer.

        Args:
            served: The version.
            image: The image file.
            answered: Whether the network must have answered for it.

        Raises:
            Problem: Too many images wait already.
        """
        with self._admit(1):
            if answered:
                return await self._answered(served, image)
            return await self._prepared(served, image)

    def count(self, judged: Judged) -> None:
        """Count what became of an image."""
        answer = judged.answer
        if judged.refused is not None:
            self.metrics.refusal(judged.refused.kind)
        elif answer is not None and answer.probability is not None:
            self.metrics.answer(answer.decision or "", answer.probability)

    async def log(self, lines: Sequence[AnswerLine]) -> None:
        """Keep a line per answer, before any of them is sent.

        Raises:
            Problem: They can't be kept, so that no answer may be sent.
        """
        if isinstance(self._answer_log, NoAnswerLog):
            return
        try:
            await asyncio.to_thread(self._answer_log.write, lines)
        except OSError:
            raise Problem(
                503,
                "answer_log",
                "the answer can't be written to the answer log, and without that none is sent",
                "have the service's disk looked at",
                {"Retry-After": "30"},
            ) from None

    def on_close(self, function: Callable[[], None]) -> None:
        """Call a function when the service ends."""
        self._closing.append(function)

    def close(self) -> None:
        """End what was started."""
        self.follower.stop()
        for function in self._closing:
            function()
        self._batcher.close()
        self._decoder.close()
        self._answer_log.close()

    async def _judge(self, served: ServedModel, image: bytes) -> Judged:
        judged = await self._answered(served, image)
        self.count(judged)
        return judged

    async def _answered(self, served: ServedModel, image: bytes) -> Judged:
        """Return an image with its answer, if it can be used."""
        with self._batcher.expecting() as arrive:
            judged = await self._prepared(served, image)
            future = None if judged.pixels is None else arrive(served, judged.pixels)
        if future is None:
            return judged
        answer = await asyncio.wrap_future(future)
        refused = None
        if answer.refused is not None or answer.probability is None:
            refused = Refusal(OUT_OF_DOMAIN, answer.refused or "no answer")
        return replace(judged, answer=answer, refused=refused)

    async def _prepared(self, served: ServedModel, image: bytes) -> Judged:
        try:
            prepared, seconds = await self._decoder.prepare(served, image)
        except DecodingFailed as failed:
            return Judged(None, Refusal(failed.kind, failed.reason))
        self.metrics.stage("decode", seconds)
        refused = None if prepared.pixels is not None else unreadable(prepared.reason)
        return Judged(None, refused, prepared.cautions, prepared.pixels)

    @contextlib.contextmanager
    def _admit(self, images: int) -> Iterator[None]:
        if self.admitted + images > self.options.limits.queue_images:
            raise busy("as many images wait as may")
        self.admitted += images
        self.metrics.queue(self.admitted)
        try:
            yield
        finally:
            self.admitted -= images
            self.metrics.queue(self.admitted)


def milliseconds_since(started: float) -> int:
    """Return the milliseconds since a moment of `time.monotonic`."""
    return round(1000 * (time.monotonic() - started))
