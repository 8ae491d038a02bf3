"""What `pneumonia serve` is asked to do, and its limits."""

import ipaddress
import math
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from stages.engine.errors import InputError

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a request may cost; whatever is beyond is refused, never queued without end.

    Attributes:
        image_bytes: Of one image file.
        request_bytes: Of the body of one request.
        waiting_bytes: Of all bodies in memory at a time.
        images: In one request.
        body_seconds: Until the whole body of a request has arrived.
        header_seconds: Until the header of a request has arrived.
        decode_seconds: For decoding one image.
        queue_images: Admitted and not answered yet, of all requests.
        queue_pictures: Waiting to be drawn, with the one that is.
        picture_seconds: Until a picture is drawn.
        connections: Open at a time.
        drain_seconds: For requests that have started when the service is asked to end.
    """

    image_bytes: int = 32 * MIB
    request_bytes: int = 256 * MIB
    waiting_bytes: int = 1024 * MIB
    images: int = 32
    body_seconds: float = 30
    header_seconds: float = 10
    decode_seconds: float = 20
    queue_images: int = 256
    queue_pictures: int = 8
    picture_seconds: float = 20
    connections: int = 512
    drain_seconds: float = 20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option}: expected a number above 0, received {value:g}")


@dataclass(frozen=True)
class ServeOptions:
    """The options of the command, checked.

    Attributes:
        model: `NAME@ALIAS` of a registry, or a model file or package folder; None: the champion
            of the repository.
        alias: Which alias is served where `model` names none.
        registry: URI of a registry, or a folder with an embedded store; None: as
            MLFLOW_TRACKING_URI says, or the repository's own.
        host: Address to listen on.
        port: 0 takes a free one.
        keys: File of access keys; None: none are asked for, which is possible on loopback alone.
        allowed_hosts: Names by which the service may be addressed, besides `host`.
        allowed_origins: Origins whose pages may call the service, besides its own.
        poll_s: Seconds between two looks at the alias.
        tls_cert: PEM file of the certificate chain; None: HTTP.
        tls_key: PEM file of its key.
        kept: Folder for the last good version; None: the user's cache folder.
        answers: Folder of the answer log; None: no log is kept.
        log_json: Whether the service logs JSON, for programs.
        public_key: File of the keys of which one must have signed a version; None: unsigned ones
            answer too.
        threads: Intra-op threads of TensorFlow; None: as the version was evaluated with.
        workers: Processes that decode images; None: one per core.
        limits: What a request may cost.
    """

    model: str | None = None
    alias: str = "champion"
    registry: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    keys: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    poll_s: float = 5
    tls_cert: Path | None = None
    tls_key: Path | None = None
    kept: Path | None = None
    answers: Path | None = None
    log_json: bool = False
    public_key: Path | None = None
    threads: int | None = None
    workers: int | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InputError(f"--port: expected 0 to 65535, received {self.port}")
        if not 0 < self.poll_s < math.inf:
            raise InputError(f"--poll: expected seconds above 0, received {self.poll_s:g}")
        if self.threads is not None and not 1 <= self.threads <= 256:
            raise InputError(f"--threads: expected 1 to 256, received {self.threads}")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InputError("expected --tls-cert and --tls-key together, received one of them")
        for option, file in (
            ("--tls-cert", self.tls_cert),
            ("--tls-key", self.tls_key),
            ("--keys", self.keys),
        ):
            if file is not None and not file.is_file():
                raise InputError(f"{option}: {file}: expected a file, found none")
        if self.keys is None and not self.is_loopback:
            raise InputError(
                f"--host {self.host}: anyone in the network could ask; expected --keys FILE (make "
                "one with `pneumonia keys add`), or the default 127.0.0.1"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    @property
    def decoders(self) -> int:
        """Processes that decode images."""
        return self.workers or os.cpu_count() or 1


def is_loopback(host: str) -> bool:
    """Return whether every address of a host is one of this machine alone.

    Raises:
        InputError: The name has no address.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host}: expected an address of this machine ({error})") from None
    addresses = [str(address[4][0]).partition("%")[0] for address in found]
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def refuse_several_workers(asked: int | None) -> None:
    """Raise InputError if more than one process is asked for, also by uvicorn's own variable."""
    several = os.environ.get("WEB_CONCURRENCY", "1") if asked is None else str(asked)
    if several != "1":
        raise InputError(
            f"workers: expected 1, received {several}: each process would load a network of its "
            "own, batch alone and count alone; start several services behind a balancer instead"
        )
