"""Who may ask: keys, and the addresses under which browsers may use the service.

A service that only its own machine reaches needs no keys. Two ways lead around that: a proxy on the
same machine, which passes on what others ask, and a browser on it, in which a page of another site
sends requests, under a name that it lets point to this machine if need be. Hence keys for whatever
was forwarded, and lists of hosts and origins for every route.
"""

import ipaddress
import re
from collections.abc import Mapping

from stages.engine.errors import InputError
from stages.serving.access.access_rules import Rules
from stages.serving.access.key_ring import KeyRing
from stages.serving.access.keys import IMAGES, LONGEST_KEY
from stages.serving.access.request_headers import (
    Address,
    OddHeadersError,
    is_forwarded,
    is_listed,
    parse_host,
    parse_origin,
    read_single,
    with_port,
)
from stages.serving.seams import App, Message, Receive, Scope, Send
from stages.serving.web.problems import Problem, send_problem

WHO = "who"
"""Key of an ASGI scope: the name of the key that was used; None where none was needed."""

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/=-]+)")
_CHALLENGE = 'Bearer realm="pneumonia"'


class Access:
    """Wraps an application so that it answers those who may ask; reads no body and no query.

    Args:
        rules: What a request needs.
        keys: The valid keys. None: no key is needed on loopback, and none helps elsewhere.
    """

    def __init__(self, rules: Rules, keys: KeyRing | None) -> None:
        self._rules = rules
        self._keys = keys

    def wrap(self, app: App) -> App:
        """Return an application that refuses what it must and passes on the rest."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            await self._guard(app, scope, receive, send)

        return guarded

    async def _guard(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":  # a websocket, which nothing here serves
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            headers = read_single(scope)
            allowed = self._check_place(scope, headers)
            if allowed is not None:
                send = _sharing(send, allowed)
                if scope["method"] == "OPTIONS":
                    await _answer_preflight(send)
                    return
            who = self._check_key(scope, headers)
        except OddHeadersError as error:
            problem = Problem(400, "odd_headers", str(error), "send each header once, in ASCII")
            await send_problem(scope, send, problem)
        except Problem as problem:
            await send_problem(scope, send, problem)
        else:
            scope[WHO] = who
            await app(scope, receive, send)

    def _check_place(self, scope: Scope, headers: Mapping[str, str]) -> str | None:
        """Check Host, Origin and Sec-Fetch-Site; return the origin of another site if it may ask.

        Raises:
            Problem: It may not.
        """
        host = parse_host(headers.get("host", ""))
        if host is None or not (is_listed(host, self._rules.hosts) or _is_own(scope, host)):
            raise Problem(
                403,
                "host",
                "expected a name of this service in the header Host",
                "ask under the address at which it listens, or start it with --allow-host",
            )
        refused = Problem(
            403,
            "origin",
            "expected a request of the service's own page, or of a program that is no browser",
            "use the page of this service, or start it with --allow-origin",
        )
        if (text := headers.get("origin")) is not None:
            origin = parse_origin(text)
            if origin in self._rules.origins:
                return text
            # Behind a proxy with TLS, the page is at https and the service is asked by http.
            schemes = ("https",) if scope.get("scheme") == "https" else ("http", "https")
            if origin not in [(scheme, with_port(host, scheme)) for scheme in schemes]:
                raise refused
        site = headers.get("sec-fetch-site")
        if site not in (None, "same-origin", "none") and not self._is_link(scope, headers):
            raise refused
        return None

    def _is_link(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Return whether a browser follows a link on another site to a page."""
        navigates = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
        return (
            scope["method"] in ("GET", "HEAD")
            and scope["path"] in self._rules.pages
            and headers["sec-fetch-site"] in ("same-site", "cross-site")
            and navigates == ("navigate", "document")
        )

    def _check_key(self, scope: Scope, headers: Mapping[str, str]) -> str | None:
        """Return the name of the key; None where none is needed.

        Raises:
            Problem: Without a key that would be needed, or with one for something else.
        """
        if self._rules.is_open(scope["path"]):
            return None
        if self._keys is None and self._rules.loopback and not is_forwarded(scope):
            return None
        match = _BEARER.fullmatch(headers.get("authorization", "")[: LONGEST_KEY + 20])
        try:
            key = self._keys.find(match[1]) if self._keys is not None and match else None
        except (InputError, OSError):  # its message has the file's path
            raise Problem(
                503,
                "keys",
                "the file of keys can't be read, so that no key is valid",
                "ask who runs the service",
                {"retry-after": "10"},
            ) from None
        if self._keys is None:
            raise Problem(
                401,
                "key",
                "a request that a proxy passes on needs a key, and this service has none",
                "start it with --keys FILE (`pneumonia keys add`), or ask it without the proxy",
                {"www-authenticate": _CHALLENGE},
            )
        if key is None:
            given = ', error="invalid_token"' if "authorization" in headers else ""
            raise Problem(
                401,
                "key",
                "expected a valid key, as `Authorization: Bearer KEY`",
                "ask who runs the service for one (`pneumonia keys add`)",
                {"www-authenticate": _CHALLENGE + given},
            )
        needed = self._rules.scopes.get(scope["path"], IMAGES)
        if needed not in key.scopes:
            raise Problem(
                403,
                "scope",
                f"expected a key for {needed}, received one for something else",
                f"ask who runs the service for one (`pneumonia keys add --scope {needed}`)",
                {"www-authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{needed}"'},
            )
        return key.name


def _is_own(scope: Scope, host: Address) -> bool:
    """Return whether a host is the IP address and port at which this connection came in.

    No page of another site has that as its origin, since it would be at an address of its own.
    """
    server = scope.get("server")
    try:
        return server is not None and (
            ipaddress.ip_address(host.name) == ipaddress.ip_address(server[0])
            and with_port(host, scope.get("scheme", "http")).port == server[1]
        )
    except ValueError:
        return False


def _sharing(send: Send, origin: str) -> Send:
    """Let the browser give the answer to the page of an allowed origin."""

    async def shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [
                (b"access-control-allow-origin", origin.encode("ascii")),
                (b"vary", b"Origin"),
            ]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return shared


async def _answer_preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
