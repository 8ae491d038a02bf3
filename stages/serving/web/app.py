"""The application: its routes, and the layers around them."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stages.serving.seams import Access, App, Log
from stages.serving.service import Service
from stages.serving.web import routes_health, routes_images, routes_overlay, routes_page
from stages.serving.web.guard import bug, guard
from stages.serving.web.problems import Problem, send_problem

_TITLE = "Pneumonia detector"
_TEXT = "Detects pneumonia in chest X-rays, as a registered version does. Not a diagnosis."


def make_app(service: Service, access: Access, log: Log) -> App:
    """Return the ASGI application.

    Args:
        service: What it answers with.
        access: Who may ask; it stands before every route.
        log: Notes requests and bugs.
    """
    # Pages of the API that FastAPI brings would load scripts from other addresses.
    app = FastAPI(title=_TITLE, description=_TEXT, version="1", docs_url=None, redoc_url=None)
    routers = [
        routes_images.router(service),
        routes_overlay.router(service),
        routes_health.router(service),
        routes_page.router(),
    ]
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, lambda _, __: _ProblemResponse(bug()))
    # FastAPI's own list has routers as they are, without their routes. Files of the page have a
    # digest in their paths, so they are "other", or each release would have names of its own.
    routes = [*app.routes, *(route for router in routers for route in router.routes)]
    paths = {path for route in routes if (path := getattr(route, "path", None))}
    paths = {path for path in paths if not path.startswith(routes_page.FOLDER)}
    return guard(access.wrap(app), paths, service.metrics, log)


class _ProblemResponse(Response):
    """A problem, as a response of Starlette."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(status_code=problem.status)
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send_problem(dict(scope), send, self._problem)


def _answer_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return _ProblemResponse(error)


def _answer_http(_: Request, error: Exception) -> Response:
    """Answer for what FastAPI refuses by itself: no such route, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    known = {404: "not_found", 405: "method"}
    problem = Problem(
        error.status_code,
        known.get(error.status_code, "refused"),
        f"{HTTPStatus(error.status_code).phrase.lower()}: no such route, or not by this method",
        "GET /openapi.json lists the routes",
        error.headers,
    )
    return _ProblemResponse(problem)
