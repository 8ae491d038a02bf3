"""uvicorn's protocol with limits that it does not have, and its errors in the service's JSON."""

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from stages.serving.options import Limits
from stages.serving.web.headers import HEADERS

_INVALID = {
    "kind": "malformed",
    "message": "expected a request of HTTP/1.1 with a header of at most 16 KiB",
    "action": "see RFC 9112",
}


def limited(limits: Limits) -> type[H11Protocol]:
    """Return a protocol whose connections have these limits."""

    class Limited(LimitedProtocol):
        LIMITS = limits

    return Limited


class LimitedProtocol(H11Protocol):
    """Closes a connection on which nothing comes of a header, or that takes no answer.

    uvicorn itself waits without end for a header that has started, for the rest of a body that was
    refused, and for a client that reads nothing.
    """

    LIMITS = Limits()

    def connection_made(self, transport: Any) -> None:
        """Wait for the first header; close if too many connections are open."""
        self._header, self._write = _Timer(), _Timer()
        super().connection_made(transport)
        if len(self.connections) > self.LIMITS.connections:
            self.transport.close()
            return
        self._wait_for_a_header()

    def data_received(self, data: bytes) -> None:
        """Pass data on; wait for a header unless a request is on its way."""
        super().data_received(data)
        if self._between_requests():
            self._wait_for_a_header()
        else:
            self._header.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._header.cancel()
        self._write.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._write.set(self.loop, self.LIMITS.body_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        self._write.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  what uvicorn would send
        """Answer what is no HTTP, if no answer has started."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        content = {"schema": 1, "request_id": secrets.token_hex(16), "error": _INVALID}
        body = json.dumps(content).encode()
        headers = [("content-type", "application/json"), ("connection", "close"), *HEADERS.items()]
        headers.append(("content-length", str(len(body))))
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()
        if self.cycle is not None:  # a request whose body turned out to be none has its answer
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_a_header(self) -> None:
        self._header.set(self.loop, self.LIMITS.header_seconds, self._close_without_a_header)

    def _close_without_a_header(self) -> None:
        self._header.cancel()
        if self._between_requests():
            self.transport.close()


class _Timer:
    """Calls a function once, a while after it was set."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def set(
        self, loop: asyncio.AbstractEventLoop, seconds: float, function: Callable[[], None]
    ) -> None:
        """Count from now, unless it counts already."""
        if self._handle is None:
            self._handle = loop.call_later(seconds, function)

    def cancel(self) -> None:
        """Call nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
