"""Read the body of a request within limits of bytes and time, in memory alone.

Starlette's own reader of forms writes parts of more than 1 MB to temporary files, and knows no
limit of time; so the chunks of a body go straight to python-multipart's parser.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from stages.serving.options import MIB, Limits
from stages.serving.seams import Receive
from stages.serving.web.problems import Problem

MULTIPART = "multipart/form-data"
_RAW = ("application/octet-stream", "application/dicom")
_PART_HEADERS, _PART_HEADER_BYTES = 8, 4096


class ClientGoneError(Exception):
    """The client has closed the connection, so nobody waits for an answer."""


class Room:
    """How many bytes of bodies may be in memory at a time, over all requests."""

    def __init__(self, most: int) -> None:
        """Nothing is taken yet."""
        self._most, self._taken = most, 0

    @contextlib.contextmanager
    def shared(self) -> "Iterator[Share]":
        """Give one request a share, and take it back when the request is answered."""
        share = Share(self)
        try:
            yield share
        finally:
            self._taken -= share.taken

    def take(self, size: int) -> None:
        """Take room for so many bytes more."""
        if self._taken + size > self._most:
            raise busy("the service holds as many images in memory as it may")
        self._taken += size


class Share:
    """What one request has taken of a room."""

    def __init__(self, room: Room) -> None:
        """Nothing is taken yet."""
        self._room, self.taken = room, 0

    def take(self, size: int) -> None:
        """Take room for so many bytes more."""
        self._room.take(size)
        self.taken += size


async def read_images(
    headers: Mapping[str, str], receive: Receive, limits: Limits, share: Share
) -> list[bytes]:
    """Return the image files in a body: the body itself, or each part of a form, in order.

    Args:
        headers: Of the request, names in lower case.
        receive: ASGI's function.
        limits: Of bytes and seconds.
        share: Takes the room that the body needs; it must stay open while the images are used.

    Raises:
        Problem: The body is beyond a limit, of another type, or no form.
        ClientGoneError: Nobody waits any more.
    """
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(
            415,
            "content_encoding",
            "expected a body without content encoding",
            "send the bytes of the image file as they are",
        )
    kind, parameters = parse_options_header(headers.get("content-type"))
    name = kind.decode("latin-1")
    if name == MULTIPART:
        form = _Form(parameters.get(b"boundary", b""), limits)
        async for chunk in _chunks(headers, receive, limits, limits.request_bytes, share):
            form.write(chunk)
        return form.images()
    if not (name in _RAW or name == "" or name.startswith("image/")):
        raise Problem(
            415,
            "content_type",
            f"expected a body of type image/jpeg, image/png, {', '.join(_RAW)} or {MULTIPART}",
            "name the type in the header Content-Type",
        )
    return [
        b"".join(
            [one async for one in _chunks(headers, receive, limits, limits.image_bytes, share)]
        )
    ]


async def _chunks(
    headers: Mapping[str, str], receive: Receive, limits: Limits, most: int, share: Share
) -> AsyncIterator[bytes]:
    """Yield the parts of a body as they arrive."""
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _too_large(most)
    seen, more = 0, True
    deadline = asyncio.get_running_loop().time() + limits.body_seconds
    while more:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise Problem(
                408,
                "slow_body",
                f"expected the whole body within {limits.body_seconds:g} s",
                "send smaller images, or fewer in a request",
                {"Connection": "close"},
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        seen += len(chunk)
        if seen > most:
            raise _too_large(most)
        share.take(len(chunk))
        yield chunk


class _Form:
    """The parts of a form, each of which is an image, whatever its name."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self._limits = limits
        self._images: list[bytes] = []
        self._part: list[bytes] = []
        self._size, self._ended = 0, False
        if not boundary:
            raise _no_form()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_part_data": self._add,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
                max_header_count=_PART_HEADERS,
                max_header_size=_PART_HEADER_BYTES,
            )
        except FormParserError:
            raise _no_form() from None

    def write(self, chunk: bytes) -> None:
        """Take the next part of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _no_form() from None

    def images(self) -> list[bytes]:
        """Return the images, once the body has ended."""
        if not self._ended or not self._images:
            raise _no_form()
        return self._images

    def _begin(self) -> None:
        if len(self._images) == self._limits.images:
            raise Problem(
                413,
                "too_many_images",
                f"expected at most {self._limits.images} images in a request",
                "send them in several requests",
            )
        self._part, self._size = [], 0

    def _add(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limits.image_bytes:
            raise _too_large(self._limits.image_bytes)
        self._part.append(data[start:end])

    def _end(self) -> None:
        self._images.append(b"".join(self._part))
        self._part = []

    def _finish(self) -> None:
        self._ended = True


def busy(why: str) -> Problem:
    """Return the answer to a request for which there is no room now."""
    return Problem(503, "busy", why, "ask again in a second", {"Retry-After": "1"})


def ending() -> Problem:
    """Return the answer to a request that comes too late."""
    return Problem(
        503,
        "draining",
        "the service is about to end",
        "ask again, for another one may take its place",
        {"Retry-After": "5", "Connection": "close"},
    )


def _too_large(most: int) -> Problem:
    size = f"{most / MIB:g} MiB" if most >= MIB else f"{most} bytes"
    return Problem(
        413,
        "too_large",
        f"expected at most {size} of an image, or of all images in a form",
        "send a smaller image, or fewer in a request",
    )


def _no_form() -> Problem:
    return Problem(
        400,
        "malformed",
        f"expected a body of type {MULTIPART} with a boundary and at least one image, complete",
        "send each image as a file of the form, as `curl -F image=@FILE` does",
    )
