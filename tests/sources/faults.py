"""A web server with one fault after another, and how the download handles each.

`python -m tests.sources.faults` prints, for each fault, what a user sees and what is left on disk.
"""

import contextlib
import email.utils
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes
from stages.sources import kermany
from stages.sources.download import Patience

BODY = bytes(range(256)) * 512
SHA256 = sha256_bytes(BODY)
HALF = len(BODY) // 2
QUICK = Patience(attempts=3, silence_s=30, min_bytes_per_s=10_000, first_wait_s=0, max_wait_s=5)
IMPATIENT = replace(QUICK, silence_s=0.1)


@dataclass
class Server:
    """State of a server that answers each request with the next fault, at the end with the last."""

    faults: Sequence[str]
    body: bytes
    address: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def next(self, headers: dict[str, str]) -> str:
        self.requests.append(headers)
        return self.faults[min(len(self.requests), len(self.faults)) - 1]


class Handler(BaseHTTPRequestHandler):
    """Answer of one request; a fault is the name of a method, or a status."""

    state: Server

    def do_GET(self) -> None:
        fault = "good" if self.path == "/moved" else self.state.next(dict(self.headers))
        with contextlib.suppress(ConnectionError):
            if fault.isdecimal():
                self.status(int(fault))
            else:
                getattr(self, fault)()

    def log_message(self, *_: object) -> None:
        pass

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def good(self) -> None:
        self.head(Content_Length=str(len(self.state.body)))
        self.wfile.write(self.state.body)

    def status(self, status: int, **headers: str) -> None:
        self.head(status, Content_Length="5", **headers)
        self.wfile.write(b"sorry")

    def without_length(self) -> None:
        self.head()
        self.wfile.write(BODY)

    def silent(self) -> None:
        self.state.stopped.wait(20)

    def stalls(self) -> None:
        self.head(Content_Length=str(len(BODY)))
        self.wfile.write(BODY[:HALF])
        self.state.stopped.wait(20)

    def drips(self) -> None:
        self.head(Content_Length=str(len(BODY)))
        for byte in BODY:
            self.wfile.write(bytes([byte]))
            if self.state.stopped.wait(0.01):
                return

    def cuts(self) -> None:
        self.head(Content_Length=str(len(BODY)))
        self.wfile.write(BODY[:HALF])

    def hangs_up(self) -> None:
        self.close_connection = True

    def garbage(self) -> None:
        self.head(Content_Length=str(len(BODY)))
        self.wfile.write(bytes(len(BODY)))

    def login_page(self) -> None:
        self.head(Content_Length="6", Content_Type="text/html")
        self.wfile.write(b"<html>")

    def endless(self) -> None:
        self.head()
        self.wfile.write(BODY + BODY)

    def part_unasked(self) -> None:
        self.head(206, Content_Length=str(HALF))
        self.wfile.write(BODY[HALF:])

    def busy(self) -> None:
        self.status(429, Retry_After="0")

    def busy_until(self) -> None:
        self.status(503, Retry_After=email.utils.formatdate(time.time() - 9, usegmt=True))

    def busy_for_a_day(self) -> None:
        self.status(429, Retry_After="86400")

    def redirects(self) -> None:
        self.status(302, Location="/moved")

    def circles(self) -> None:
        self.status(302, Location="/")

    def to_a_file(self) -> None:
        self.status(302, Location="file:///etc/hostname")


@contextlib.contextmanager
def serving(*faults: str, body: bytes = BODY) -> Iterator[Server]:
    """Run a server on this machine that answers with these faults; "good" answers with `body`."""
    state = Server(faults, body)
    handler = type("Handler", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.address = f"http://127.0.0.1:{server.server_port}/ChestXRay2017.zip?key=secret"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            state.stopped.set()
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Fault:
    """A server's behaviour and the expected outcome.

    Attributes:
        answers: Of the server, one for each request.
        message: Part of the error's message; "" if the download succeeds.
        requests: Number of requests that are made.
    """

    answers: tuple[str, ...]
    message: str
    requests: int
    patience: Patience = QUICK


THREE_ERRORS = ("500", "busy_until", "busy", "good")
FAULTS = {
    "no fault": Fault(("good",), "", 1),
    "no Content-Length": Fault(("without_length",), "", 1),
    "a redirect": Fault(("redirects",), "", 1),
    "cut once": Fault(("cuts", "good"), "", 2),
    "closed without an answer once": Fault(("hangs_up", "good"), "", 2),
    "500, 503 with a date, 429": Fault(THREE_ERRORS, "", 4, replace(QUICK, attempts=4)),
    "stalls": Fault(("stalls",), "no data for 0.1 s (attempt 3)", 3, IMPATIENT),
    "never answers": Fault(("silent",), "no data for 0.1 s (attempt 3)", 3, IMPATIENT),
    "a byte now and then": Fault(
        ("drips",), "too slow: ", 2, replace(QUICK, attempts=2, silence_s=1)
    ),
    "cut": Fault(("cuts",), "the connection closed after 65,536 of 131,072 bytes (attempt 3)", 3),
    "closed without an answer": Fault(("hangs_up",), "the connection broke", 3),
    "wrong bytes": Fault(("garbage",), "another file, or one damaged in transit", 1),
    "a login page": Fault(("login_page",), "the server offers 6 bytes of type text/html", 1),
    "too many bytes": Fault(("endless",), "more than the expected 131,072 bytes", 1),
    "part of the file, not requested": Fault(("part_unasked",), "offers 65,536 bytes", 1),
    "403": Fault(("403",), "the server refused the request (status 403)", 1),
    "404": Fault(("404",), "the file was not found (status 404)", 1),
    "410": Fault(("410",), "the file was removed (status 410)", 1),
    "429": Fault(("busy",), "too many requests (status 429) (attempt 3)", 3),
    "429 for a day": Fault(("busy_for_a_day",), "the server asks to wait 86400 s", 1),
    "500": Fault(("500",), "the server failed (status 500) (attempt 3)", 3),
    "circular redirects": Fault(("circles",), "redirected in a circle", 5),
    "a redirect to a local file": Fault(("to_a_file",), "not a web address (status 302)", 1),
}


def main() -> None:
    """Print the outcome of each fault, with a temporary folder as the user's cache."""
    advice = ""
    os.environ["no_proxy"] = "127.0.0.1"
    for name, fault in FAULTS.items():
        with tempfile.TemporaryDirectory() as cache, serving(*fault.answers) as server:
            os.environ["XDG_CACHE_HOME"] = cache
            print(f"\n=== {name}", flush=True)
            try:
                kermany.cached_download(server.address, SHA256, len(BODY), fault.patience)
            except InputError as error:
                first, _, rest = str(error).partition("\n")
                print(f"error: {first}\n{'(advice as above)' if rest == advice else rest}")
                advice = rest
            files = [path for path in Path(cache).rglob("*") if path.is_file()]
            left = {path.name: path.stat().st_size for path in files}
            print(f"requests: {len(server.requests)}; left in the cache: {left}")


if __name__ == "__main__":
    main()
