"""A process that only decodes images, for `decoding`: what a file does to it is done to it alone.

It imports the packaged code of the versions that it decodes for, and never TensorFlow. Whatever it
answers is JSON or pixels, so that a process that a file has taken over can't make its parent run
anything. It prints nothing, because libraries quote what they read.

`python -m stages.serving.answering.decode_worker SOCKET PARENT`
"""

import importlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from stages.engine.private_process import switch_core_dumps_off
from stages.engine.processes import die_with_parent
from stages.engine.zipped_code import import_from
from stages.serving.answering.worker_pipe import receive, send

PREPARE, LOAD = b"p", b"l"
"""First byte of a message: an image follows; or the length of JSON, JSON, and a zip archive."""

KEY_DIGITS = 64
"""Of the name of a version, after the first byte."""

KEPT = 4
"""Versions whose code a worker keeps."""

MEMORY_BYTES = 4 << 30
"""Of addresses: a 16-bit image of the most pixels takes 1 GB while it is scaled."""

_MOST_BYTES = 1 << 30

Prepare = Callable[[bytes], Any]


def main(pipe: socket.socket, parent: int) -> None:
    """Answer until the service closes its end."""
    die_with_parent(parent)
    switch_core_dumps_off()
    _limit_memory()
    versions: dict[str, Prepare] = {}
    while True:
        try:
            message = memoryview(receive(pipe, _MOST_BYTES))
        except OSError:
            return
        kind, key = bytes(message[:1]), bytes(message[1 : 1 + KEY_DIGITS]).decode("ascii")
        content = message[1 + KEY_DIGITS :]
        if kind == LOAD:
            send(pipe, json.dumps(_load(versions, key, content)).encode())
            continue
        started = time.monotonic()
        reply, pixels = _prepare(versions[key], bytes(content))
        reply["seconds"] = time.monotonic() - started
        send(pipe, json.dumps(reply).encode())
        if pixels is not None:
            send(pipe, pixels)


def _load(versions: dict[str, Prepare], key: str, content: memoryview) -> dict[str, Any]:
    """Import how a version prepares an image."""
    end = 4 + int.from_bytes(content[:4], "big")
    version, code = json.loads(bytes(content[4:end])), bytes(content[end:])

    def own(module: str) -> Any:
        if code:
            return import_from(code, version["package"], module)
        return importlib.import_module(f"{version['package']}.{module}")

    try:
        options = own("images.options").PixelOptions(**version["pixels"])
        prepare_image = own("network.preparing").prepare_image
    except Exception as error:  # noqa: BLE001  whatever the version's own code raises
        return {"error": type(error).__name__}
    while len(versions) >= KEPT:
        versions.pop(next(iter(versions)))
    versions[key] = lambda image: prepare_image(image, options, version["body_part"])
    return {}


def _prepare(prepare: Prepare, image: bytes) -> tuple[dict[str, Any], memoryview | None]:
    try:
        prepared = prepare(image)
    except Exception as error:  # noqa: BLE001  whatever a file makes a library raise
        return {"error": type(error).__name__}, None
    pixels = prepared.pixels
    reply = {
        "reason": prepared.reason,
        "cautions": list(prepared.cautions),
        "facts": dict(prepared.facts),
        "shape": None if pixels is None else list(pixels.shape),
    }
    return reply, None if pixels is None else memoryview(pixels.tobytes())


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # no such limit on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    os._exit(0)  # whatever a library has left running
