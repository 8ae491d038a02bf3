"""The outermost layer of the application: request ids, and no exception that gets out."""

import asyncio
import secrets
import time
from collections.abc import Collection
from http import HTTPStatus

from stages.serving.seams import App, Log, Message, Metrics, Receive, Scope, Send
from stages.serving.web.headers import with_headers
from stages.serving.web.limits import ClientGoneError, ending
from stages.serving.web.problems import REQUEST_ID, Problem, send_problem

HEADER_BYTES = 16 << 10
"""Of the header of a request. The parser keeps no more of an unfinished one."""


def guard(app: App, routes: Collection[str], metrics: Metrics, log: Log) -> App:
    """Return an application around `app`.

    Args:
        app: Gets requests with an id of ours in `scope["state"]`.
        routes: Paths that metrics and log may name; all others are "other".
        metrics: Counts requests.
        log: Notes requests and bugs.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # uvicorn is started without the others
            return
        started = time.monotonic()
        state = scope.setdefault("state", {})
        request_id = state[REQUEST_ID] = secrets.token_hex(16)
        code = 0

        async def noting(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                message = {**message, "headers": _completed(message["headers"], request_id)}
            await send(message)

        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
                await send_problem(dict(scope), noting, _long_header())
            else:
                await app(scope, receive, noting)
        except ClientGoneError:
            code = 499  # as nginx logs it; nobody receives it
        except asyncio.CancelledError:  # the time for what had started is over
            if not code:
                await send_problem(dict(scope), noting, ending())
            raise
        except Exception as error:  # noqa: BLE001  a bug, which ends one request only
            log.fault(error)
            if not code:
                await send_problem(dict(scope), noting, bug())
        seconds = time.monotonic() - started
        route = scope["path"] if scope["path"] in routes else "other"
        metrics.request(route, code, seconds)
        log.request(request_id, scope["method"], route, code, seconds, scope.get("who"))

    return guarded


def _completed(
    headers: "list[tuple[bytes, bytes]]", request_id: str
) -> "list[tuple[bytes, bytes]]":
    return [*with_headers(headers), (b"x-request-id", request_id.encode())]


def _long_header() -> Problem:
    return Problem(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "header_too_large",
        f"expected a header of at most {HEADER_BYTES >> 10} KiB",
        "send fewer or shorter header fields",
    )


def bug() -> Problem:
    """Return the answer to a request at which the service failed."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "the service failed at this request",
        "report the request id to whoever runs the service",
    )
