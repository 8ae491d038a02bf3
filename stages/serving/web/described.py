"""What openapi.json says of bodies and errors, which FastAPI can't read from our handlers."""

from typing import Any, Final

from stages.serving.web.answer_schema import Answers, Problem

_FILE: Final = {"type": "string", "format": "binary"}
_TYPES: Final = ("application/octet-stream", "application/dicom", "image/jpeg", "image/png")
_KINDS: Final = {"oneOf": [_FILE], "description": "One JPEG, PNG or DICOM file."}

IMAGE: Final[dict[str, Any]] = {
    "required": True,
    "content": {name: {"schema": _KINDS} for name in _TYPES},
}
"""A body that is one image file."""

IMAGES: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        **IMAGE["content"],
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"image": {"type": "array", "items": _FILE}},
                "description": "Several files, each a part. Their names are not looked at.",
            }
        },
    },
}
"""A body that is one image file, or several."""

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "model": Problem}
    for status, text in {
        400: "The body is no form, or the header contradicts itself.",
        401: "No key, or one that is not valid here.",
        403: "The key, the host or the origin is not allowed.",
        408: "The body came too slowly.",
        413: "The body is larger than allowed.",
        415: "The body is of another type.",
        503: "Busy, or no version is loaded yet: ask again after Retry-After seconds.",
    }.items()
}
"""Answers of every route that takes images."""

_FIGURE: Final = {"value": 0.972, "low": 0.954, "high": 0.986}

ANSWER: Final[dict[str, Any]] = {
    "schema": 1,
    "request_id": "8ad2e6bd55478062a3a770ebf8823430",
    "time": "2026-01-01T12:00:00.000Z",
    "model": {
        "name": "pneumonia",
        "version": "3",
        "alias": "champion",
        "format": 2,
        "model_digest": "SHA-256",
        "package_digest": "SHA-256",
        "commit": "of git",
        "synthetic": False,
        "intended_use": "What the model is meant for.",
        "cautions": [],
        "classes": ["normal", "pneumonia"],
        "prior": 0.5,
        "threshold": 0.5,
        "domain_limit": 1.0,
        "figures": {
            "test": {"auroc": _FIGURE, "sensitivity": _FIGURE, "specificity": _FIGURE},
        },
    },
    "images": [
        {
            "index": 0,
            "decision": "pneumonia",
            "probability": 0.93,
            "domain": {"score": 0.4, "percentile": 62.5, "limit": 1.0},
            "refused": None,
            "cautions": [],
        },
        {
            "index": 1,
            "decision": None,
            "probability": None,
            "domain": {"score": 2.8, "percentile": 100.0, "limit": 1.0},
            "refused": {"kind": "out_of_domain", "reason": "unlike the images it was trained on"},
            "cautions": [],
        },
    ],
}
"""An example of an answer to two images."""

ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "An entry for each image, in order; a refusal has no probability.",
        "model": Answers,
        "content": {"application/json": {"example": ANSWER}},
    },
    422: {"description": "The same, where the only image can't be read.", "model": Answers},
    **ERRORS,
}
"""Answers of the route that judges images."""
