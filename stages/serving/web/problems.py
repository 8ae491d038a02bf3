"""Answers that say why a request got none: a fixed text, nothing of the request."""

import json
import secrets
from collections.abc import Mapping

from stages.serving.seams import Scope, Send

REQUEST_ID = "request_id"
"""Key of `scope["state"]`."""


class Problem(Exception):  # noqa: N818  it is an answer
    """Why a request isn't answered.

    Args:
        status: Of HTTP.
        kind: A word for programs.
        message: What was expected.
        action: What to do.
        headers: Further headers.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        action: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.status, self.kind, self.message, self.action = status, kind, message, action
        self.headers = dict(headers or {})


async def send_problem(scope: Scope, send: Send, problem: Problem) -> None:
    """Send a problem as JSON, schema 1."""
    request_id = scope.setdefault("state", {}).setdefault(REQUEST_ID, secrets.token_hex(16))
    error = {"kind": problem.kind, "message": problem.message, "action": problem.action}
    body = json.dumps({"schema": 1, "request_id": request_id, "error": error}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **problem.headers,
    }
    encoded = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
