"""A service with a fake detector, behind a real socket, in a thread of the test."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stages.network.preparing import Prepared
from stages.serving import wiring
from stages.serving.options import Limits, ServeOptions
from stages.serving.seams import FixedModel, Follower
from stages.serving.served import Preparer, ServedModel
from stages.serving.service import Service
from stages.serving.web.server import Server, listen
from tests.serving.fake_detector import PIXELS, FakeDetector

PREPARER = Preparer("stages", b"", PIXELS.model_dump(), "CHEST")
"""Decodes as `FakeDetector` does, in a process of its own."""

BORDER = "a1b2c3"
FORM = f"multipart/form-data; boundary={BORDER}"


def served_model(detector: Any = None, **changes: Any) -> ServedModel:
    """Return a version that answers by a fake detector."""
    fields: dict[str, Any] = {
        "detector": detector or FakeDetector(),
        "preparer": PREPARER,
        "name": "pneumonia-test",
        "version": "1",
        "alias": "champion",
        "format": 2,
        "model_digest": "m" * 64,
        "package_digest": "p" * 64,
        "commit": None,
        "synthetic": True,
        "intended_use": "Tests.",
        "cautions": ("trained on synthetic images: no prediction for patients",),
        "classes": ("normal", "pneumonia"),
        "prior": 0.5,
        "threshold": 0.5,
        "domain_limit": 1.0,
        "figures": {"test": {"auroc": {"value": 0.9, "low": 0.8, "high": 0.95}}},
        "domain_scores": (0.1, 0.2, 0.3, 0.4),
    }
    return ServedModel(**(fields | changes))


@dataclass
class Reply:
    """What came back: status, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A running service.

    Attributes:
        service: Its parts.
        port: On 127.0.0.1.
    """

    service: Service
    port: int

    def connect(self, seconds: float = 30) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 60,
    ) -> Reply:
        with contextlib.closing(self.connect(seconds)) as connection:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self.ask("GET", path, headers=headers)

    def judge(self, *images: bytes, kind: str = "application/octet-stream") -> Reply:
        """Send one image as the body, several as a form."""
        if len(images) == 1:
            return self.ask("POST", "/v1/images", images[0], {"Content-Type": kind})
        return self.ask("POST", "/v1/images", form(*images), {"Content-Type": FORM})


def form(*images: bytes, name: str = "image.jpg") -> bytes:
    """Return a form with each image as a file."""
    parts = b"".join(
        f'--{BORDER}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + image
        + b"\r\n"
        for image in images
    )
    return parts + f"--{BORDER}--\r\n".encode()


@contextlib.contextmanager
def running(
    served: ServedModel | None = None,
    *,
    follower: Follower | None = None,
    options: ServeOptions | None = None,
    **limits: Any,
) -> Iterator[Running]:
    """Run a service until the context ends.

    Args:
        served: What answers; a fake one by default.
        follower: Has it, instead.
        options: Of the command; `port` 0 takes a free one.
        limits: As of `Limits`.
    """
    options = options or ServeOptions(port=0, workers=2, limits=Limits(**limits))
    follower = follower or FixedModel(served or served_model())
    with listen(options) as sock:
        service, app = wiring.build(options, follower=follower)
        server = Server(service, app, options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield Running(service, sock.getsockname()[1])
        finally:
            service.draining = True
            thread.join(30)
            service.close()
    assert not thread.is_alive()


@dataclass
class SlowDetector(FakeDetector):
    """Has no packaged code to decode with, and decodes when the test allows it."""

    open: threading.Event = field(default_factory=threading.Event)

    def prepare(self, image: bytes) -> Prepared:
        assert self.open.wait(60)
        return super().prepare(image)
