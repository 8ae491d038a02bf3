"""Addresses as they may be shown."""

import re
import urllib.parse


def without_secrets(url: str) -> str:
    """An address without user, password and query, which may hold a key."""
    return re.sub(r"//[^/?#]*@", "//", re.split(r"[?#]", url)[0])


def bare(url: str) -> str:
    """An address without user and password."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def hushed(text: str, url: str) -> str:
    """`text` with the user and password of `url`, and its query, replaced by stars."""
    parts = urllib.parse.urlsplit(url)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    for secret in (url, parts.netloc if user else "", password, parts.query):
        if secret:
            shown = without_secrets(url) if secret == url else "***"
            text = text.replace(secret, shown)
    return text.replace(urllib.parse.unquote(password), "***") if password else text
