"""Headers of every response: what a browser may do with it."""

from collections.abc import Sequence
from typing import Final

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # Scripts of the page can't parse text as markup, even by mistake.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    # Answers are about images; only the page's own files say otherwise.
    "Cache-Control": "no-store",
}


_ENCODED: Final = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def with_headers(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with those of HEADERS that it does not have."""
    present = {name.lower() for name, _ in headers}
    return [*headers, *(header for header in _ENCODED if header[0] not in present)]
