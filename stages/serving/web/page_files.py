"""The page's own files: read once, by exact name, cached by content."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Final

from stages.engine.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpeg": "image/jpeg",
}
_PAGES: Final = {"/": "index.html", "/api": "api.html"}
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class PageFile:
    """A file as it is sent.

    Attributes:
        content: Its bytes.
        media_type: Its content type.
        cache: The value of Cache-Control.
    """

    content: bytes = field(repr=False)
    media_type: str
    cache: str

    @property
    def etag(self) -> str:
        """Name of the content."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


def page_files(folder: Traversable | None = None) -> dict[str, PageFile]:
    """Return every file of the page by the path of its address.

    The pages are asked for again each time. What they refer to lies below an address that holds
    a digest of all files, and is kept by browsers; so no page ever runs with another's scripts.

    Args:
        folder: Where they are; None: in this package.

    Raises:
        InputError: The package was installed without them.
    """
    present = dict(sorted(_walk(folder or files("stages.serving.web").joinpath("page"))))
    missing = {*_PAGES.values()} - {*present}
    if missing:
        raise InputError(
            f"page: expected {', '.join(sorted(missing))} in the package stages.serving, found "
            "none; install the project again"
        )
    whole = hashlib.sha256()
    for name, content in present.items():
        whole.update(f"{name} {len(content)}\n".encode() + content)
    below = f"page/{whole.hexdigest()[:16]}/"
    served = {}
    for path, name in _PAGES.items():
        page = present.pop(name).replace(b'"page/', f'"{below}'.encode())
        served[path] = PageFile(page, _TYPES[".html"], "no-cache")
    for name, content in present.items():
        kind = _TYPES[name[name.rindex(".") :]]
        served[f"/{below}{name}"] = PageFile(content, kind, _FOREVER)
    return served


def page_routes(served: Mapping[str, PageFile]) -> "list[Route]":
    """Return a route for each file; no address is ever looked up on the disk."""
    from starlette.routing import Route

    return [
        Route(path, _sending(file), methods=["GET"], include_in_schema=False)
        for path, file in served.items()
    ]


def _sending(file: PageFile) -> "Callable[[Request], Awaitable[Response]]":
    from starlette.responses import Response

    headers = {"ETag": file.etag, "Cache-Control": file.cache}

    async def send(request: "Request") -> Response:
        known = request.headers.get("if-none-match", "")
        if file.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    return send


def _walk(folder: Traversable, below: str = "") -> Iterator[tuple[str, bytes]]:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{below}{entry.name}/")
        elif any(entry.name.endswith(kind) for kind in _TYPES):
            yield f"{below}{entry.name}", entry.read_bytes()
