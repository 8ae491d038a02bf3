"""Whether the service lives, is ready, and what answers."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from stages.serving.service import Service
from stages.serving.web.answers import SCHEMA, model_json


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()
    limits = service.options.limits

    @routes.get("/livez")
    async def live() -> JSONResponse:
        """Answer as long as the process works."""
        return JSONResponse({"live": True})

    @routes.get("/readyz")
    async def ready() -> JSONResponse:
        """Say whether a request that begins now gets an answer; details are in /v1/model."""
        is_ready = service.follower.current is not None and not service.draining
        status = service.follower.status()
        content = {
            "ready": is_ready,
            "draining": service.draining,
            "registry_up": status.registry_up,
            "kept": status.kept,
            "load_failed": status.failed_version is not None,
        }
        code = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(content, status_code=code)

    @routes.get("/v1/model")
    async def model() -> JSONResponse:
        """Return which version answers, its figures, and how it stands with its registry."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "model": model_json(service.version()),
            "status": vars(service.follower.status()),
            "limits": {"image_bytes": limits.image_bytes, "images": limits.images},
        }
        return JSONResponse(content)

    @routes.get("/metrics")
    async def metrics() -> Response:
        """Return counts and durations for Prometheus."""
        text, kind = service.metrics.render(service.follower.current, service.follower.status())
        return Response(text, headers={"Content-Type": kind})

    return routes
