"""Mutated requests: a generator that a seed and a number determine, and what each must get.

`python -m tests.serving.fuzz PORT --requests 2500 --seed 0` asks a service that runs already.
"""

import argparse
import random
import re
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from stages.sources.dicom import transfer_syntax
from tests.dicoms import dicom_file
from tests.sample_images import encoded, picture

MARK = b"q7Zk3VwX"
"""Stands in every mutated part, and never in what comes back."""

PATHS = (
    *(b"/v1/images",) * 7,
    *(b"/v1/images/overlay",) * 2,
    b"/v1/model",
    b"/metrics",
    b"/readyz",
)
BORDER = b"a1b2c3d4"

_PIXELS = picture("fuzz", 64, 56)
_SOURCES = (
    encoded(_PIXELS),
    encoded(_PIXELS, "PNG"),
    dicom_file(_PIXELS),
    dicom_file(_PIXELS.astype("uint16") * 16, transfer_syntax.IMPLICIT, BitsStored=12),
    dicom_file(_PIXELS, transfer_syntax.RLE),
    dicom_file(_PIXELS, transfer_syntax.JPEG_2000[0]),
    dicom_file(_PIXELS, transfer_syntax.DEFLATED),
    b"%PDF-1.7 " + bytes(range(256)),
    b"",
)
_ODD = (
    b"",
    b"\0",
    b"\xff" * 40,
    b"-1",
    b"99999999999999999999",
    b"1e9",
    b"\r\n",
    b"\n",
    b"%00%ff",
    b"../" * 12,
    "Ä^Ö\u202e".encode(),
    b"{" * 300,
    b'"' * 9,
    b"A" * 3000,
)


@dataclass
class Request:
    """A request in parts, so that each can be mutated."""

    method: bytes
    target: bytes
    version: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def text(self) -> bytes:
        lines = [b" ".join((self.method, self.target, self.version))]
        lines += [name + b": " + value for name, value in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def mutated(seed: int, number: int) -> bytes:
    """Return the text of a request, the same for the same seed and number."""
    rng = random.Random(f"{seed} {number}")
    image = _SOURCES[rng.randrange(len(_SOURCES))]
    if rng.random() < 0.8:
        for _ in range(rng.choice((1, 1, 2, 5))):
            image = rng.choice(_IMAGE)(rng, image)
    request = Request(b"POST", rng.choice(PATHS), b"HTTP/1.1", [(b"Host", b"127.0.0.1")], image)
    if rng.random() < 0.4:
        request.body = _form(rng, image)
        border = BORDER if rng.random() < 0.8 else rng.choice((b"", BORDER[:-1], b'"', MARK * 20))
        kind = b"multipart/form-data; boundary=" + border
    else:
        kind = rng.choice((b"image/jpeg", b"application/dicom", b"application/octet-stream"))
    if request.target.startswith((b"/v1/model", b"/metrics", b"/readyz")):
        request.method, request.body = b"GET", b""
    request.headers += [
        (b"Content-Type", kind),
        (b"Content-Length", str(len(request.body)).encode()),
        (b"Connection", b"close"),
    ]
    if rng.random() < 0.5:
        rng.choice(_REQUEST)(rng, request)
    return request.text()


def _form(rng: random.Random, image: bytes) -> bytes:
    """Return a form whose borders and part headers may be wrong."""
    end = b"\r\n" if rng.random() < 0.9 else rng.choice((b"\n", b"\r", b"\r\n\r\n"))
    parts = b""
    for _ in range(rng.choice((1, 1, 2, 3, 40))):
        head = b'Content-Disposition: form-data; name="image"; filename="' + MARK + b'.dcm"'
        if rng.random() < 0.3:
            head = rng.choice(
                (
                    head + end + b"Content-Type: " + rng.choice(_ODD),
                    head + end + (b"X: " + MARK + end) * rng.choice((5, 50)),
                    head.replace(b"form-data", rng.choice(_ODD)),
                    head + b"; filename*=UTF-8''" + rng.choice(_ODD),
                    b"X-" + MARK * rng.choice((1, 900)),
                    b"",
                )
            )
        parts += b"--" + BORDER + end + head + end + end + image[:4000] + end
    closing = rng.choice((b"--" + BORDER + b"--" + end,) * 6 + (b"", b"--" + BORDER, b"--", MARK))
    return rng.choice((b"", b"", b"", MARK + end)) + parts + closing


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(data), rng.choice((1, 3, 20)))):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((MARK, MARK * 40, rng.randbytes(16), bytes(64))) + data[at:]


def _double(rng: random.Random, data: bytes) -> bytes:
    first, second = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:second] + data[first:]


def _extreme(rng: random.Random, data: bytes) -> bytes:
    """Put an extreme number somewhere in the first bytes, where sizes are."""
    if len(data) < 8:
        return data
    at = rng.randrange(min(len(data) - 4, 1200))
    value = rng.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
    return data[:at] + struct.pack(rng.choice("<>") + "I", value) + data[at + 4 :]


def _png_size(rng: random.Random, data: bytes) -> bytes:
    """Give a PNG another size, with a checksum that fits."""
    if not data.startswith(b"\x89PNG") or len(data) < 40:
        return data
    sizes = (0, 1, 64, 5000, 20000, 2**31 - 1)
    head = b"IHDR" + struct.pack(">II", rng.choice(sizes), rng.choice(sizes)) + data[24:29]
    return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]


def _tag(rng: random.Random, data: bytes) -> bytes:
    """Give a DICOM tag another type, length or value."""
    tags = [
        at
        for group in (b"\x08\0", b"\x10\0", b"\x28\0", b"\xe0\x7f", b"\x02\0")
        for at in (found.start() for found in re.finditer(re.escape(group), data[:1500]))
        if at > 128
    ]
    if not tags or len(data) < 400:
        return data
    at = rng.choice(tags)
    kind = rng.choice((b"SQ", b"UN", b"OB", b"US", b"DS", b"LO", b"FD", b"??", b"OW"))
    size = struct.pack("<H", rng.choice((0, 2, 8, 400)))
    nested = b"SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 60
    endless = data[at + 4 : at + 6] + b"\xff\xff\xff\xff"
    new = rng.choice((kind + data[at + 6 : at + 12], endless, kind + size + MARK, nested))
    return data[: at + 4] + new + data[at + 4 + rng.choice((len(new), 8)) :]


_IMAGE: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip,
    _flip,
    _cut,
    _insert,
    _double,
    _extreme,
    _extreme,
    _png_size,
    _tag,
    _tag,
)


def _odd_header(rng: random.Random, request: Request) -> None:
    names = (b"X-" + MARK, b"Host", b"Content-Type", b"Authorization", b"Origin", b"Range", b"Via")
    more = (b"Content-Encoding", b"Expect", b"Cookie", b"Accept", b"Sec-Fetch-Site", b"Upgrade")
    request.headers.append((rng.choice(names + more), rng.choice(_ODD) + MARK))


def _replaced_header(rng: random.Random, request: Request) -> None:
    at = rng.randrange(len(request.headers))
    request.headers[at] = (request.headers[at][0], rng.choice(_ODD))


def _no_header(rng: random.Random, request: Request) -> None:
    del request.headers[rng.randrange(len(request.headers))]


def _twice(rng: random.Random, request: Request) -> None:
    request.headers.append(rng.choice(request.headers))


def _many_headers(rng: random.Random, request: Request) -> None:
    count = rng.choice((50, 200, 1000))
    request.headers += [(b"X-%d" % number, MARK) for number in range(count)]


def _broken_name(rng: random.Random, request: Request) -> None:
    request.headers.append((rng.choice((b"", b" a", b"a b", b"\xff", b"a\0", b"(" + MARK)), b"x"))


def _other_line(rng: random.Random, request: Request) -> None:
    if rng.random() < 0.4:
        methods = (b"PUT", b"get", b"TRACE", b"CONNECT", b"OPTIONS", b"", b"PRI", MARK, b"\0")
        request.method = rng.choice(methods)
    if rng.random() < 0.6:
        request.target = rng.choice(
            (
                b"/" + MARK,
                b"/v1/images?" + MARK + b"=%zz",
                b"/v1/images/" + b"../" * 9,
                b"//v1/images",
                b"/page/..%2f..%2fetc/passwd",
                b"http://" + MARK + b"/",
                b"*",
                b"/v1/images/overlay?part=" + rng.choice((b"judged", b"map", MARK)),
                b"/\xff\xfe",
                b"/" + b"a" * 9000,
            )
        )
    if rng.random() < 0.2:
        request.version = rng.choice((b"HTTP/1.0", b"HTTP/9.9", b"HTTP/2", b"", MARK))


def _chunked(rng: random.Random, request: Request) -> None:
    """Send the body in chunks, right or wrong."""
    lengths = [(n, v) for n, v in request.headers if n == b"Content-Length" and rng.random() < 0.3]
    kept = [pair for pair in request.headers if pair[0] != b"Content-Length"]
    request.headers = [*kept, *lengths, (b"Transfer-Encoding", b"chunked")]
    size = rng.choice((b"%x" % len(request.body),) * 3 + (b"fffffffff", b"-5", b"zz", MARK))
    request.body = (
        size + b"\r\n" + request.body + rng.choice((b"\r\n0\r\n\r\n",) * 3 + (b"", b"\r\n"))
    )


def _length(rng: random.Random, request: Request) -> None:
    """State another length than that of the body."""
    lengths = (b"0", b"1", b"%d" % (len(request.body) // 2), b"%d" % (len(request.body) + 9), b"+5")
    value = rng.choice((*lengths, b"0x10", b"9" * 30, b"99999999999", b" ", b"-1"))
    request.headers = [
        (name, value if name == b"Content-Length" else old) for name, old in request.headers
    ]


_REQUEST: tuple[Callable[[random.Random, Request], None], ...] = (
    _odd_header,
    _odd_header,
    _replaced_header,
    _no_header,
    _twice,
    _many_headers,
    _broken_name,
    _other_line,
    _other_line,
    _chunked,
    _length,
)


@dataclass
class Found:
    """What the answers were, and what must not be.

    Attributes:
        statuses: Number of answers by status; 0 for a connection that was closed without one.
        faults: What is wrong, with the number of the request.
        slowest: Seconds of the slowest answer.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0


def ask(port: int, seed: int, number: int, found: Found, *, limit_s: float) -> None:
    """Send a request, and note what comes back."""
    text = mutated(seed, number)
    begin = time.monotonic()
    try:
        answer = _exchange(port, text, limit_s)
    except TimeoutError:
        found.faults.append(f"{number}: no answer within {limit_s:g} s")
        return
    found.slowest = max(found.slowest, time.monotonic() - begin)
    status = int(answer[9:12]) if re.match(rb"HTTP/1\.1 \d{3} ", answer) else 0
    found.statuses[status] += 1
    if answer and not status:
        found.faults.append(f"{number}: no HTTP: {answer[:60]!r}")
    if status == 500:
        found.faults.append(f"{number}: 500")
    if MARK in answer:
        found.faults.append(f"{number}: bytes of the request come back")
    if status >= 400 and b"\r\n\r\n{" not in answer and text[:4] != b"HEAD":
        found.faults.append(f"{number}: status {status} without the service's JSON")


def _exchange(port: int, text: bytes, limit_s: float) -> bytes:
    """Return all that comes back until the connection is closed or the answer is whole."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as connection:
        answer = b""
        try:
            connection.sendall(text)
            while more := connection.recv(1 << 16):
                answer += more
                if _is_whole(answer):
                    break
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(separator and length and len(body) >= int(length[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--requests", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = Found()
    for number in range(options.requests):
        ask(options.port, options.seed, number, found, limit_s=60)
    print(dict(found.statuses), f"slowest {found.slowest:.1f} s", *found.faults, sep="\n")


if __name__ == "__main__":
    main()
