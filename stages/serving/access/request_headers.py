"""The headers of a request that decide who may ask, read strictly."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stages.serving.seams import Scope

SINGLE = (
    "host",
    "authorization",
    "origin",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
)
"""Headers that a request may have once. Of two, a proxy may have judged the other one."""

_FORWARDING = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-original-host",
        "x-proxyuser-ip",
    }
)
_FORWARDING_PREFIXES = ("x-forwarded", "x-envoy-")
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_HOST = re.compile(r"(?P<name>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class OddHeadersError(ValueError):
    """Headers that no client sends in good faith, with what was expected."""


@dataclass(frozen=True)
class Address:
    """A host as headers name it: a name or an IP address, and a port if it was given."""

    name: str
    port: int | None


def read_single(scope: Scope) -> dict[str, str]:
    """Return the headers of SINGLE that the request has.

    Raises:
        OddHeadersError: One is there twice or holds other than visible ASCII; or there are both a
            length and a transfer encoding, which two programs could take for different bodies.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name not in SINGLE:
            continue
        value = raw_value.decode("latin-1")
        if name in found:
            raise OddHeadersError(f"expected the header {name} once, received it twice")
        if not _VISIBLE.fullmatch(value):
            raise OddHeadersError(f"expected visible ASCII in the header {name}")
        found[name] = value
    if {"content-length", "transfer-encoding"} <= found.keys():
        raise OddHeadersError("expected either content-length or transfer-encoding, received both")
    return found


def is_forwarded(scope: Scope) -> bool:
    """Return whether a proxy says that it passes on what another machine asks."""
    names = (raw.decode("latin-1").lower() for raw, _ in scope["headers"])
    return any(name in _FORWARDING or name.startswith(_FORWARDING_PREFIXES) for name in names)


def parse_host(text: str) -> Address | None:
    """Return the host of a Host header or an option; None if it is none."""
    match = _HOST.fullmatch(text.lower())
    if match is None:
        return None
    name, port = match["name"].removesuffix("."), match["port"]
    if name.startswith("["):
        try:
            name = str(ipaddress.IPv6Address(name[1:-1]))
        except ValueError:
            return None
    return Address(name, None if port is None else int(port)) if name else None


def parse_origin(text: str) -> tuple[str, Address] | None:
    """Return scheme and host of an Origin header or an option; None if it is none ("null")."""
    scheme, separator, host = text.lower().partition("://")
    address = parse_host(host)
    if not separator or scheme not in _DEFAULT_PORTS or address is None:
        return None
    return scheme, with_port(address, scheme)


def with_port(address: Address, scheme: str) -> Address:
    """Return the address with the port that its scheme implies where it names none."""
    return Address(address.name, address.port or _DEFAULT_PORTS.get(scheme, 80))


def is_listed(address: Address, listed: Iterable[Address]) -> bool:
    """Return whether a list has this host; an entry without a port stands for every port."""
    return any(each.name == address.name and each.port in (None, address.port) for each in listed)
