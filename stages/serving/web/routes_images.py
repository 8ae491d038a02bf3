"""`POST /v1/images`: answers for images."""

import time
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from stages.serving.answering.decoding import CRASHED, TIMEOUT
from stages.serving.seams import AnswerLine
from stages.serving.served import ServedModel
from stages.serving.service import Service, milliseconds_since
from stages.serving.web import described
from stages.serving.web.answers import UNREADABLE, Judged, answer_json
from stages.serving.web.limits import read_images
from stages.serving.web.problems import REQUEST_ID

_UNPROCESSABLE = (UNREADABLE, TIMEOUT, CRASHED)
"""Refusals that are the image's fault: alone in a request, they are an error of HTTP too."""

_BODY: Final[dict[str, Any]] = {"requestBody": described.IMAGES}


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.post("/v1/images", responses=described.ANSWERS, openapi_extra=_BODY)
    async def judge_images(request: Request) -> JSONResponse:
        """Answer for one image as the body, or for each image of a form, in order."""
        served = service.version()
        service.require_room()
        limits = service.options.limits
        with service.room.shared() as share:
            images = await read_images(request.headers, request.receive, limits, share)
            started = time.monotonic()
            judged = await service.judge(served, images)
            milliseconds = milliseconds_since(started)
            await service.log(answer_lines(request, served, images, judged, milliseconds))
        content = answer_json(served, request.scope["state"][REQUEST_ID], judged)
        return JSONResponse(content, status_code=_status(judged))

    return routes


def answer_lines(
    request: Request,
    served: ServedModel,
    images: list[bytes],
    judged: list[Judged],
    milliseconds: int,
) -> list[AnswerLine]:
    """Return what the answer log keeps of a request.

    Args:
        request: Names who asked.
        served: What answered.
        images: The image files.
        judged: What became of each.
        milliseconds: From the end of the body to the answers.
    """
    state = request.scope["state"]
    return [
        AnswerLine(
            request.scope.get("who"),
            state[REQUEST_ID],
            index,
            image,
            served.model_digest,
            served.version,
            one.answer.decision if one.answer is not None and one.refused is None else None,
            None if one.refused is None else one.refused.kind,
            milliseconds,
        )
        for index, (image, one) in enumerate(zip(images, judged, strict=True))
    ]


def _status(judged: list[Judged]) -> int:
    if len(judged) == 1 and judged[0].refused and judged[0].refused.kind in _UNPROCESSABLE:
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.OK
