"""`POST /v1/images/overlay`: pictures of an image."""

import functools
import time
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from stages.serving.answering import overlay
from stages.serving.answering.turns import BusyError, Turns
from stages.serving.served import ServedModel
from stages.serving.service import Service, milliseconds_since
from stages.serving.web import described
from stages.serving.web.answers import Judged
from stages.serving.web.limits import busy, read_images
from stages.serving.web.problems import Problem
from stages.serving.web.routes_images import answer_lines

MODEL: Final = "Pneumonia-Model"
"""Header with the model digest of the version that a picture is by."""

_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "part",
            "in": "query",
            "description": "legend: the map over the image, with a legend, and the default; drawn: "
            "the same without; judged: the grey pixels that the network received; map: the map "
            "alone, transparent where nothing speaks for the positive class.",
            "schema": {"enum": list(overlay.PARTS)},
        }
    ],
    "requestBody": described.IMAGE,
}

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The picture.", "content": {"image/png": {}}},
    422: {"description": "The image was refused, as /v1/images says."},
    501: {"description": "The version draws no such picture."},
    **described.ERRORS,
}


def router(service: Service) -> APIRouter:
    """Return the route. A picture needs a gradient, so pictures have a short queue of their own."""
    routes = APIRouter()
    limits = service.options.limits
    turns = Turns(waiting=limits.queue_pictures, seconds=limits.picture_seconds)
    service.on_close(turns.close)

    @routes.post(
        "/v1/images/overlay",
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_OPENAPI,
    )
    async def draw_overlay(request: Request) -> Response:
        """Draw what speaks for the positive class in one image.

        The map (LayerCAM) shows what the network responds to. It is a check on the model and marks
        no disease. There is none of an image that is refused.
        """
        served = service.version()
        service.require_room()
        part = _part(request)
        if served.format < 2:
            raise _no_picture("a version of format 1 draws no picture")
        with service.room.shared() as share:
            images = await read_images(request.headers, request.receive, limits, share)
            started = time.monotonic()
            judged = await _look(service, served, images, part)
            content = await _picture(service, turns, served, judged, part)
            if part == "legend":  # says the decision, so it is an answer
                milliseconds = milliseconds_since(started)
                await service.log(answer_lines(request, served, images, [judged], milliseconds))
        return Response(content, media_type="image/png", headers={MODEL: served.model_digest})

    return routes


def _part(request: Request) -> str:
    part = request.query_params.get("part", "legend")
    if part not in overlay.PARTS:
        expected = ", ".join(overlay.PARTS)
        raise Problem(422, "part", f"expected part to be one of {expected}", "see /openapi.json")
    return part


async def _look(service: Service, served: ServedModel, images: list[bytes], part: str) -> Judged:
    if len(images) != 1:
        raise Problem(
            422, "one_image", "expected one image in a request for a picture", "send one at a time"
        )
    judged = await service.look(served, images[0], answered=part != "judged")
    if judged.refused is None and part == "legend":
        service.count(judged)
    if judged.refused is not None:
        raise Problem(
            422,
            judged.refused.kind,
            judged.refused.reason,
            "there is no picture of an image that gets no answer, except for part=judged",
        )
    return judged


async def _picture(
    service: Service, turns: Turns, served: ServedModel, judged: Judged, part: str
) -> bytes:
    if judged.pixels is None:
        raise RuntimeError("an image that is not refused has pixels")
    if part == "judged" or judged.answer is None:
        return overlay.judged(judged.pixels)
    started = time.monotonic()
    try:
        draw = functools.partial(overlay.draw, part, served, judged.pixels, judged.answer)
        return await turns.run(draw)
    except BusyError:
        raise busy("as many pictures wait as may") from None
    except overlay.NoMapError as error:
        raise _no_picture(str(error)) from None
    finally:
        service.metrics.stage("saliency", time.monotonic() - started)


def _no_picture(reason: str) -> Problem:
    return Problem(501, "no_picture", reason, "train and promote a version of the present format")
