"""What the parts of the service know of each other, so that each can be replaced in a test.

`wiring.build` chooses the parts. The simple ones here do nothing.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from stages.engine.console import print_note
from stages.serving.served import ServedModel

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""


@dataclass(frozen=True)
class FollowerStatus:
    """How it stands with the version that answers; nothing here is a path or a secret.

    Attributes:
        registry_up: Whether the last look at the alias succeeded; None if there is no registry,
            or before the first look.
        registry_reason: What is wrong with the registry or the alias; None if nothing is.
        last_poll: Seconds since 1970 of the last look; None before the first.
        loads: Versions loaded so far.
        load_failures: Loads that failed so far.
        failed_version: The version at the alias that does not load; None if it does.
        failed_reason: Why, in words.
        kept: Whether the version that answers is the one kept on disk, for want of a registry.
    """

    registry_up: bool | None = None
    registry_reason: str | None = None
    last_poll: float | None = None
    loads: int = 0
    load_failures: int = 0
    failed_version: str | None = None
    failed_reason: str | None = None
    kept: bool = False


class Follower(Protocol):
    """Loads a version, and each one that replaces it, in a thread of its own."""

    @property
    def current(self) -> ServedModel | None:
        """What answers a request that begins now; None while the first one loads."""

    def start(self) -> None:
        """Begin to load and to follow; returns at once."""

    def stop(self) -> None:
        """Follow no more."""

    def status(self) -> FollowerStatus:
        """How it stands."""


@dataclass(frozen=True)
class AnswerLine:
    """What the answer log is given of one image.

    Attributes:
        who: Name of the access key; None where none was asked for.
        request_id: Of the request.
        index: Of the image in its request.
        image: The bytes of the image file, of which the log keeps a keyed hash.
        model_digest: Of the version that answered.
        version: Its number; None for a model file.
        decision: A class; None if there was no answer.
        refused: The kind of refusal; None if there was an answer.
        milliseconds: From the end of the body to the answer.
    """

    who: str | None
    request_id: str
    index: int
    image: bytes = field(repr=False)
    model_digest: str
    version: str | None
    decision: str | None
    refused: str | None
    milliseconds: int


class AnswerLog(Protocol):
    """Keeps a line per answer."""

    def write(self, lines: Sequence[AnswerLine]) -> None:
        """Keep lines, in a thread. An OSError means that they are not kept: no answer is sent."""

    def close(self) -> None:
        """Keep no more."""


class Access(Protocol):
    """Who may ask what."""

    def wrap(self, app: App) -> App:
        """Return an application that refuses what it must and passes on the rest.

        It sets `scope["who"]` to the name of the key, or None.
        """


class Metrics(Protocol):
    """Counts and durations."""

    def request(self, route: str, code: int, seconds: float) -> None:
        """Count a request; `route` is one of the routes, or "other"."""

    def stage(self, stage: str, seconds: float) -> None:
        """Count the time of a stage: "decode" (with resizing), "network" or "saliency"."""

    def batch(self, images: int) -> None:
        """Count images that the network answered together."""

    def queue(self, images: int) -> None:
        """Note how many images are admitted and not answered."""

    def answer(self, decision: str, probability: float) -> None:
        """Count an answer."""

    def refusal(self, kind: str) -> None:
        """Count a refusal: of an image, or of a request."""

    def render(self, served: ServedModel | None, status: FollowerStatus) -> tuple[bytes, str]:
        """Return the text of /metrics and its content type."""


class Log(Protocol):
    """Lines for whoever runs the service; nothing in them comes from a request."""

    def event(self, event: str, **fields: str | int | float | None) -> None:
        """Note what happened."""

    def fault(self, error: BaseException) -> None:
        """Note a bug: its kind and place, and never its message, which may quote a request."""

    def request(
        self, request_id: str, method: str, route: str, status: int, seconds: float, who: str | None
    ) -> None:
        """Note a request; `route` is one of the routes, or "other"."""


class FixedModel:
    """A follower that follows nothing."""

    def __init__(self, served: ServedModel | None) -> None:
        """Keep the version; None as while it loads."""
        self.current = served

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def status(self) -> FollowerStatus:
        """How it stands."""
        return FollowerStatus(loads=int(self.current is not None))


class NoAnswerLog:
    """Keeps nothing."""

    def write(self, lines: Sequence[AnswerLine]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class OpenAccess:
    """Lets everyone ask everything."""

    def wrap(self, app: App) -> App:
        """Return the application as it is."""
        return app


class NoMetrics:
    """Counts nothing."""

    def request(self, route: str, code: int, seconds: float) -> None:
        """Do nothing."""

    def stage(self, stage: str, seconds: float) -> None:
        """Do nothing."""

    def batch(self, images: int) -> None:
        """Do nothing."""

    def queue(self, images: int) -> None:
        """Do nothing."""

    def answer(self, decision: str, probability: float) -> None:
        """Do nothing."""

    def refusal(self, kind: str) -> None:
        """Do nothing."""

    def render(
        self,
        served: ServedModel | None,  # noqa: ARG002
        status: FollowerStatus,  # noqa: ARG002
    ) -> tuple[bytes, str]:
        """Return nothing."""
        return b"", "text/plain; version=0.0.4; charset=utf-8"


class FaultsOnly:
    """Notes the kind of a bug, and nothing else."""

    def event(self, event: str, **fields: str | int | float | None) -> None:
        """Do nothing."""

    def fault(self, error: BaseException) -> None:
        """Print the kind of an exception."""
        print_note(f"fault: {type(error).__name__}")

    def request(
        self,
        request_id: str,
        method: str,
        route: str,
        status: int,
        seconds: float,
        who: str | None,
    ) -> None:
        """Do nothing."""
