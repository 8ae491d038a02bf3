"""Remove credentials from URLs before they are printed or logged.

A password may hold any sign. SQLAlchemy takes all between `user:` and `@` for it, slashes too.

Syntax of Python 3.7, since the set-up runs this with whatever Python there is.
"""

from __future__ import annotations

import re
import urllib.parse

_SHORTEST_SECRET = 4
"""A shorter value of a query, such as a timeout, would hit numbers in a message."""


def _credentials(end: str) -> re.Pattern[str]:
    """Return the pattern of `user:password@` after `://`, in which no character of `end` occurs."""
    database = rf"(?<!http://)(?<!https://)(?<=://)[^{end}/:@]*:[^{end}]*@"
    return re.compile(rf"{database}|(?<=://)[^{end}/]*@")


_SECRET_VALUE = re.compile(
    r"([?&;][\w.-]*(?:passw|pwd|secret|token|credential|sig|key)[\w.-]*=)[^\s&;#'\"<>]+",
    re.IGNORECASE,
)
"""The value of a key in a query that by its name is a secret."""
_IN_URL = _credentials(r"\n")
_IN_TEXT = _credentials(r"\s'\"<>")


def hide_credentials(text: str) -> str:
    """Remove user and password from every address in a text, and secrets from its query.

    `redact` removes more, where the address is known.
    """
    if "://" not in text:
        return text
    return _SECRET_VALUE.sub(r"\1***", _IN_TEXT.sub("", text))


def without_secrets(url: str) -> str:
    """Remove user, password, query and fragment, any of which may hold a key."""
    return re.split(r"[?#]", _IN_URL.sub("", url))[0]


def without_credentials(url: str) -> str:
    """Remove user and password, and keep the query."""
    return _IN_URL.sub("", url)


def redact(text: str, url: str) -> str:
    """Replace user, password and query of `url` in `text` by stars, however they are written."""
    found = _IN_URL.search(url)
    login = found.group() if found else ""
    place, _, query = without_credentials(url).partition("?")
    host = re.split("[/?#]", place.partition("://")[2])[0]
    values = [pair.partition("=")[2] for pair in re.split("[&;#]", query)]
    secrets = [
        f"{login}{host}" if login else "",
        login.removesuffix("@").partition(":")[2],
        query,
        *(value for value in values if len(value) >= _SHORTEST_SECRET),
    ]
    text = text.replace(url, without_secrets(url)) if url else text
    for secret in secrets:
        for written in (secret, urllib.parse.unquote(secret)):
            if written:
                text = text.replace(written, "***")
    return hide_credentials(text)
