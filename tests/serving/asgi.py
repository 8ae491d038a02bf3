"""One request to an ASGI application, without a socket."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.serving.seams import App, Message, Scope

Headers = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What the application sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(path: str, headers: Headers = (), method: str = "GET", **more: Any) -> dict[str, Any]:
    """Return a scope as uvicorn makes it; `headers` are added to a Host of this machine."""
    given = {name.lower() for name, _ in headers}
    hosts = [] if "host" in given else [("host", "127.0.0.1:8000")]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in [*hosts, *headers]
        ],
        **more,
    }


def ask(app: App, scope: Scope) -> Answer:
    """Return the answer to a request without a body; one that is read fails."""
    answer = Answer()

    async def receive() -> Message:
        if scope["type"] == "websocket":
            return {"type": "websocket.connect"}
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert answer.status == 0
            answer.status = message["status"]
            answer.headers = {
                name.decode(): value.decode() for name, value in message.get("headers", ())
            }
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")
        else:
            answer.status = message["code"]

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    return answer


async def echo_who(scope: Scope, _: object, send: Any) -> None:
    """Answer with the name of the key that was used."""
    body = json.dumps(scope.get("who")).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
