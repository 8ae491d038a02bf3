"""The page, the page of the API, and their files."""

from typing import Final

from fastapi import APIRouter

from stages.serving.web.page_files import page_files, page_routes

FOLDER: Final = "/page/"
"""All but the two pages are below it."""


def router() -> APIRouter:
    """Return a route for each file.

    Raises:
        InputError: The package was installed without them.
    """
    routes = APIRouter()
    routes.routes.extend(page_routes(page_files()))
    return routes
