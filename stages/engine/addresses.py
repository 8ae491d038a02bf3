"""Remove credentials from URLs before they are printed or logged."""

import re
import urllib.parse


def without_secrets(url: str) -> str:
    """Remove user, password, query and fragment, any of which may hold a key."""
    return re.sub(r"//[^/?#]*@", "//", re.split(r"[?#]", url)[0])


def without_credentials(url: str) -> str:
    """Remove user and password, and keep the query."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def redact(text: str, url: str) -> str:
    """Replace the user, password and query of `url` in `text` by stars."""
    parts = urllib.parse.urlsplit(url)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    for secret in (url, parts.netloc if user else "", password, parts.query):
        if secret:
            replacement = without_secrets(url) if secret == url else "***"
            text = text.replace(secret, replacement)
    return text.replace(urllib.parse.unquote(password), "***") if password else text
