"""A web server with every fault in turn, and what the download makes of each.

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
QUICK = Patience(attempts=3, silence_s=30, slowest=10_000, wait_s=0, longest_wait_s=5)
IMPATIENT = replace(QUICK, silence_s=0.1)


@dataclass
class Server:
    """Answers each request by the next of `faults`, and by the last of them from then on."""

    faults: Sequence[str]
    body: bytes
    address: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def next(self, headers: dict[str, str]) -> str:
        self.requests.append(headers)
        return self.faults[min(len(self.requests), len(self.faults)) - 1]


class Handler(BaseHTTPRequestHandler):
    """One request; a fault's name is its method's, or a status."""

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
        self.state.over.wait(20)

    def stalls(self) -> None:
        self.head(Content_Length=str(len(BODY)))
        self.wfile.write(BODY[:HALF])
        self.state.over.wait(20)

    def drips(self) -> None:
        self.head(Content_Length=str(len(BODY)))
        for byte in BODY:
            self.wfile.write(bytes([byte]))
            if self.state.over.wait(0.01):
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
    """A server on this machine, whose first answers are these; "good" is `body`."""
    state = Server(faults, body)
    handler = type("Handler", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.address = f"http://127.0.0.1:{server.server_port}/ChestXRay2017.zip?key=secret"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            state.over.set()
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Fault:
    """The answers in turn; what is said at last ("" if the file comes), after how many requests."""

    answers: tuple[str, ...]
    said: str
    requests: int
    patience: Patience = QUICK


FAULTS = {
    "nothing wrong": Fault(("good",), "", 1),
    "no length told": Fault(("without_length",), "", 1),
    "redirects": Fault(("redirects",), "", 1),
    "cuts once": Fault(("cuts", "good"), "", 2),
    "hangs up once": Fault(("hangs_up", "good"), "", 2),
    "500, then 503 until a date, then 429": Fault(("500", "busy_until", "busy", "good"), "", 4,
                                                  replace(QUICK, attempts=4)),
    "stalls": Fault(("stalls",), "no byte for 0.1 s (attempt 3)", 3, IMPATIENT),
    "never answers": Fault(("silent",), "no byte for 0.1 s (attempt 3)", 3, IMPATIENT),
    "drips": Fault(("drips",), "s (attempt 2)", 2, replace(QUICK, attempts=2, silence_s=0.3)),
    "cuts": Fault(
        ("cuts",), "the connection was cut after 65,536 of 131,072 bytes (attempt 3)", 3
    ),
    "hangs up": Fault(("hangs_up",), "the connection broke", 3),
    "serves garbage": Fault(("garbage",), "another file, or one that was damaged", 1),
    "serves a page": Fault(("login_page",), "offers 6 bytes of type text/html", 1),
    "serves more and more": Fault(("endless",), "the server sends more than 131,072 bytes", 1),
    "serves a part unasked": Fault(("part_unasked",), "offers 65536 bytes", 1),
    "403": Fault(("403",), "the server refuses (status 403)", 1),
    "404": Fault(("404",), "the file is not there (status 404)", 1),
    "410": Fault(("410",), "the file is gone (status 410)", 1),
    "429": Fault(("busy",), "too many requests (status 429) (attempt 3)", 3),
    "429 for a day": Fault(("busy_for_a_day",), "asks to come back in 86400 s", 1),
    "500": Fault(("500",), "the server failed (status 500) (attempt 3)", 3),
    "redirects in a circle": Fault(("circles",), "its redirects lead nowhere (status 302)", 5),
    "redirects to a file here": Fault(("to_a_file",), "its redirects lead nowhere", 1),
}  # fmt: skip


def main() -> None:
    """Print what each gives. The user's cache is a temporary folder meanwhile."""
    advice = ""
    os.environ["no_proxy"] = "127.0.0.1"
    for name, fault in FAULTS.items():
        with tempfile.TemporaryDirectory() as cache, serving(*fault.answers) as server:
            os.environ["XDG_CACHE_HOME"] = cache
            print(f"\n=== {name}", flush=True)
            try:
                kermany.kept(server.address, SHA256, len(BODY), fault.patience)
            except InputError as error:
                first, _, rest = str(error).partition("\n")
                print(f"error: {first}\n{'(how to go on: as above)' if rest == advice else rest}")
                advice = rest
            left = {path.name: path.stat().st_size for path in Path(cache).rglob("*")
                    if path.is_file()}  # fmt: skip
            print(f"requests: {len(server.requests)}; left in the cache: {left}")


if __name__ == "__main__":
    main()
