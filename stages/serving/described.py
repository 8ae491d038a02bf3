"""What openapi.json says of bodies and errors, which FastAPI can't read from our handlers."""

from typing import Any, Final

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

ERRORS: Final[dict[str, Any]] = {
    status: {"description": text, "content": {"application/json": {}}}
    for status, text in {
        "401": "No key, or one that is not valid here.",
        "403": "The key, the host or the origin is not allowed.",
        "408": "The body came too slowly.",
        "413": "The body is larger than allowed.",
        "415": "The body is of another type.",
        "503": "Busy, or no version is loaded yet: ask again after Retry-After seconds.",
    }.items()
}
"""Answers of every route that takes images: {"schema", "request_id", "error": {kind, message,
action}}."""
