"""Messages between the service and a process that decodes, over a socket, within a time."""

import socket
import struct
import time

_LENGTH = struct.Struct(">Q")


def send(pipe: socket.socket, *parts: bytes | memoryview, deadline: float | None = None) -> None:
    """Send parts as one message.

    Args:
        pipe: Connected.
        parts: Sent one after the other, without being copied together.
        deadline: By `time.monotonic`; None waits without end.

    Raises:
        TimeoutError: The other side did not read in time.
        OSError: It is gone.
    """
    for part in (_LENGTH.pack(sum(len(part) for part in parts)), *parts):
        pipe.settimeout(_left(deadline))
        pipe.sendall(part)


def receive(pipe: socket.socket, most: int, *, deadline: float | None = None) -> bytearray:
    """Return the next message.

    Args:
        pipe: Connected.
        most: Bytes that it may have.
        deadline: By `time.monotonic`; None waits without end.

    Raises:
        TimeoutError: It did not come in time.
        OSError: The other side is gone, or announces more.
    """
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size, deadline))
    if length > most:
        raise OSError(f"expected a message of at most {most} bytes, received {length}")
    return _exactly(pipe, length, deadline)


def _exactly(pipe: socket.socket, length: int, deadline: float | None) -> bytearray:
    content = bytearray(length)
    rest = memoryview(content)
    while rest:
        pipe.settimeout(_left(deadline))
        received = pipe.recv_into(rest)
        if not received:
            raise ConnectionResetError("the other side is gone")
        rest = rest[received:]
    return content


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time is left")
    return left
