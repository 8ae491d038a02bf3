"""What a request needs: paths that need no key, scopes of keys, hosts and origins."""

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stages.engine.errors import InputError
from stages.serving.access.keys import METRICS
from stages.serving.access.request_headers import Address, parse_host, parse_origin

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Rules:
    """What a request needs.

    Attributes:
        open_paths: Paths that need no key: health without details, the pages and their files.
        open_folders: Beginnings of such paths, each ending in a slash.
        pages: Paths of pages, to which a link on another site may lead.
        scopes: Scope of a key by path; IMAGES for all others, unknown ones too.
        hosts: Hosts by which the service may be called.
        origins: Further sites, (scheme, host with port), whose pages may use it.
        loopback: Whether it listens on loopback alone.
    """

    hosts: tuple[Address, ...]
    loopback: bool
    open_paths: frozenset[str] = frozenset(
        {"/", "/api", "/openapi.json", "/favicon.ico", "/livez", "/readyz"}
    )
    open_folders: tuple[str, ...] = ("/page/",)
    pages: frozenset[str] = frozenset({"/", "/api"})
    scopes: Mapping[str, str] = field(default_factory=lambda: {"/metrics": METRICS})
    origins: frozenset[tuple[str, Address]] = frozenset()

    def is_open(self, path: str) -> bool:
        """Return whether a path needs no key."""
        return path in self.open_paths or path.startswith(self.open_folders)


def make_rules(
    *,
    host: str = "127.0.0.1",
    loopback: bool,
    allow_hosts: Collection[str] = (),
    allow_origins: Collection[str] = (),
) -> Rules:
    """Return the rules of a service.

    Args:
        host: What it listens on. A name is one of its names; where it is an address, the one at
            which a connection comes in is.
        loopback: Whether that is loopback alone.
        allow_hosts: Names of the service besides those of this machine, such as that of a proxy,
            each with a port or for every port.
        allow_origins: Further sites, such as https://viewer.example.

    Raises:
        InputError: One is no host, or no origin.
    """
    hosts = [Address(name, None) for name in _LOOPBACK_NAMES]
    own = parse_host(host)
    if own is not None and not _is_address(own.name):
        hosts.append(Address(own.name, None))
    for text in allow_hosts:
        address = parse_host(text)
        if address is None:
            raise InputError(
                f"--allow-host: expected a name or an address, with a port or without, such as "
                f"xray.example or [::1]:8000, received {text!r}"
            )
        hosts.append(address)
    origins = set()
    for text in allow_origins:
        origin = parse_origin(text)
        if origin is None:
            raise InputError(
                "--allow-origin: expected a site such as https://viewer.example, without a path, "
                f"received {text!r}"
            )
        origins.add(origin)
    return Rules(tuple(hosts), loopback, origins=frozenset(origins))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
