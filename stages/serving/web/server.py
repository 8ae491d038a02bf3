"""Run the application in this process until it is asked to end."""

import asyncio
import logging
import os
import signal
import socket
import ssl
from types import FrameType

import uvicorn

from stages.engine.errors import InputError
from stages.serving.options import ServeOptions
from stages.serving.seams import App
from stages.serving.service import Service
from stages.serving.web.connections import limited
from stages.serving.web.guard import HEADER_BYTES

_KEEP_ALIVE_SECONDS = 75
_POLL_SECONDS = 0.05


def listen(options: ServeOptions) -> socket.socket:
    """Return a socket that listens, so that a port in use is an error before anything is loaded.

    Raises:
        InputError: The address can't be had.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # Named as TCP, or asyncio would not switch Nagle's algorithm off: 40 ms for every answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.host, options.port))
        listening.listen(options.limits.connections)
    except (OSError, UnicodeError) as error:
        listening.close()
        raise InputError(
            f"{options.host} port {options.port}: expected an address that is free ({error}); "
            "name another with --host and --port"
        ) from None
    return listening


class Server(uvicorn.Server):
    """uvicorn's server, which answers what has started before it ends."""

    def __init__(self, service: Service, app: App, options: ServeOptions) -> None:
        """Prepare the server; nothing listens yet.

        Raises:
            InputError: The certificate or its key can't be used.
        """
        # What uvicorn and the parser of forms log may quote a request.
        for name in ("uvicorn", "uvicorn.error", "python_multipart", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        config = uvicorn.Config(
            app,
            http=limited(options.limits),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            workers=1,
            backlog=options.limits.connections,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=HEADER_BYTES,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise InputError(
                f"--tls-cert, --tls-key: expected a PEM certificate and its key ({error})"
            ) from None
        super().__init__(config)
        self._service = service
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, _: FrameType | None) -> None:
        """Answer what has started, at most for a while; a second Ctrl-C ends at once."""
        if self._service.draining and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
            return
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Begin to drain once asked; uvicorn calls this ten times a second."""
        if self._service.draining and self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await super().on_tick(counter)

    async def _drain(self) -> None:
        """Keep listening, so that /readyz says so, until no request is on its way."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._service.options.limits.drain_seconds
        while self.server_state.tasks and loop.time() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
        self.should_exit = True
