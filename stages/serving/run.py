"""Run the service: listen first, then load, then answer."""

import threading

from stages.engine.console import print_note, print_text
from stages.engine.printable import printable
from stages.engine.private_process import switch_core_dumps_off
from stages.engine.progress import spinner
from stages.serving.following.choosing import Repository
from stages.serving.options import ServeOptions
from stages.serving.seams import Follower
from stages.serving.web.server import Server, listen
from stages.serving.wiring import build

_LOOK_SECONDS = 0.2


def run(
    options: ServeOptions, repository: Repository | None = None, follower: Follower | None = None
) -> int:
    """Serve until SIGTERM or Ctrl-C, and return the exit status.

    Args:
        options: Of the command.
        repository: Where it runs; None outside of one.
        follower: Takes the place of the one that `options` ask for, in a test.

    Raises:
        InputError: The address is in use, or an option can't be followed.
    """
    switch_core_dumps_off()
    with listen(options) as sock:
        with spinner("starting"):  # files are loaded at once, an alias is followed later
            service, app = build(options, repository, follower=follower)
        server = Server(service, app, options)
        host, port = sock.getsockname()[:2]
        scheme = "http" if options.tls_cert is None else "https"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
        ended = threading.Event()
        announcer = threading.Thread(
            target=_announce, args=(service.follower, address, ended), daemon=True
        )
        try:
            service.follower.start()
            announcer.start()
            server.run(sockets=[sock])
        finally:
            ended.set()
            service.close()
            announcer.join()
    return 0


def _announce(follower: Follower, address: str, ended: threading.Event) -> None:
    """Print which version answers as soon as one does, and why none does."""
    reason = None
    with spinner(f"loading the version that will answer at {address}"):
        while follower.current is None and not ended.wait(_LOOK_SECONDS):
            if (failed := follower.status().failed_reason) and failed != reason:
                print_note(f"no version answers yet: {failed}")
                reason = failed
    if follower.current is not None and not ended.is_set():
        origin, digest = printable(str(follower.current)), follower.current.model_digest[:12]
        print_text(f"{address}: {origin}, digest {digest}, answers", flush=True)
