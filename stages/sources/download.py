"""Download one file over HTTP: complete and with the right checksum, or not at all.

Each attempt starts from the first byte: some servers ignore range requests, and appending their
answer to half a file gives garbage of the right size. The library pooch was tried on the same
faults (tests/sources/faults.py): it never gives up on a server that sends a byte now and then,
repeats refusals and wrong files, and ignores Retry-After, expected sizes and the disk space.
"""

import contextlib
import email.utils
import hashlib
import http.client
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stages.engine.addresses import without_secrets
from stages.engine.console import print_note
from stages.engine.errors import InputError
from stages.engine.progress import byte_progress

_CHUNK_BYTES = 2**18
# Temporary failures; any other 4xx status stays the same when repeated.
_RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_STATUS_REASONS = {
    401: "the server requires a login",
    404: "the file was not found",
    410: "the file was removed",
    429: "too many requests",
}


@dataclass(frozen=True)
class Patience:
    """When to give up.

    Attributes:
        attempts: Number of attempts.
        silence_s: Longest time without a byte.
        min_bytes_per_s: Lowest average speed over each `silence_s`.
        first_wait_s: Wait before the second attempt; doubles with each further one.
        max_wait_s: Longest wait that a server may ask for (Retry-After).
    """

    attempts: int = 5
    silence_s: float = 60
    min_bytes_per_s: float = 5_000
    first_wait_s: float = 2
    max_wait_s: float = 600


PATIENCE = Patience()


class _AttemptFailedError(Exception):
    """A failed attempt.

    Attributes:
        retry: Whether another attempt may succeed.
        retry_after_s: The wait that the server asks for, if it does.
    """

    def __init__(self, reason: str, *, retry: bool, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry = retry
        self.retry_after_s = retry_after_s


def download(
    url: str, to: Path, *, sha256: str, size: int | None = None, patience: Patience = PATIENCE
) -> None:
    """Download `url` to the file `to`, which exists afterwards only with the right SHA-256.

    Failed attempts and waits are printed to stderr. The file `<to>.part` is overwritten, and
    removed at the end.

    Args:
        url: HTTP or HTTPS address.
        to: Path of the file.
        sha256: Hexadecimal checksum of the file.
        size: In bytes, if known beforehand.
        patience: When to give up.

    Raises:
        InputError: The download failed, with the reason.
    """
    _check_disk_space(to.parent, size)
    address = without_secrets(url)
    part = to.with_name(f"{to.name}.part")
    next_wait_s = patience.first_wait_s
    try:
        for attempt in range(1, patience.attempts + 1):
            try:
                with part.open("wb") as file:
                    _attempt(url, file, sha256, size, patience)
                part.replace(to)
                return
            except _AttemptFailedError as failure:
                if not failure.retry or attempt == patience.attempts:
                    tried = f" (attempt {attempt})" if attempt > 1 else ""
                    raise InputError(f"{address}: download failed: {failure}{tried}") from None
                asked_s = failure.retry_after_s
                wait_s = next_wait_s if asked_s is None else asked_s
                if wait_s > patience.max_wait_s:
                    raise InputError(
                        f"{address}: download failed: {failure}; the server asks to wait "
                        f"{wait_s:.0f} s, more than the {patience.max_wait_s:.0f} s allowed"
                    ) from None
                print_note(
                    f"attempt {attempt} of {patience.attempts} failed: {failure}; starting over in "
                    f"{wait_s:.0f} s",
                )
            time.sleep(wait_s)
            next_wait_s *= 2
    finally:
        part.unlink(missing_ok=True)


def _attempt(url: str, file: IO[bytes], sha256: str, size: int | None, patience: Patience) -> None:
    with _network_errors(patience), _request(url, patience.silence_s) as response:
        expected_size = _check_response(response, size)
        _check_disk_space(Path(file.name).parent, expected_size)
        received, checksum = _copy(response, file, expected_size, patience)
    if expected_size is not None and received < expected_size:
        raise _AttemptFailedError(
            f"the connection closed after {received:,} of {expected_size:,} bytes", retry=True
        )
    if checksum != sha256:
        raise _AttemptFailedError(
            f"expected a file with the SHA-256 {sha256}, received {received:,} bytes with "
            f"{checksum}: another file, or one damaged in transit",
            retry=False,
        )


def _request(url: str, silence_s: float) -> http.client.HTTPResponse:
    """Send a GET request. Only HTTP and HTTPS are followed, so no redirect reaches a local file."""
    handlers = (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.UnknownHandler,
    )
    opener = urllib.request.OpenerDirector()
    for handler in handlers:
        opener.add_handler(handler())
    headers = {"User-Agent": "pneumonia-pipeline", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers)
    response: http.client.HTTPResponse = opener.open(request, timeout=silence_s)
    return response


def _check_response(response: http.client.HTTPResponse, size: int | None) -> int | None:
    """Return the file's size in bytes, None if unknown; refuse an answer that isn't the file."""
    length = response.headers.get("Content-Length", "")
    offered = int(length) if length.isdecimal() else None
    wrong_size = size is not None and offered is not None and size != offered
    if response.status != http.HTTPStatus.OK or wrong_size:
        expected = "a file" if size is None else f"{size:,} bytes"
        number = "an unknown number of" if offered is None else f"{offered:,}"
        raise _AttemptFailedError(
            f"expected {expected}, the server offers {number} bytes of type "
            f"{response.headers.get_content_type()} (status {response.status}): not the file",
            retry=False,
        )
    return offered if size is None else size


def _copy(
    response: http.client.HTTPResponse,
    file: IO[bytes],
    expected_size: int | None,
    patience: Patience,
) -> tuple[int, str]:
    """Copy the body to `file`; return the number of bytes and their SHA-256."""
    hashed, received = hashlib.sha256(), 0
    window_start, window_received = time.monotonic(), 0
    with byte_progress(label="download", total=expected_size) as advance:
        # read1 returns what has arrived; read would wait for a whole chunk from a slow server.
        while data := response.read1(_CHUNK_BYTES):
            received += len(data)
            window_received += len(data)
            if expected_size is not None and received > expected_size:
                raise _AttemptFailedError(
                    f"the server sends more than the expected {expected_size:,} bytes", retry=False
                )
            hashed.update(data)
            _write(file, data)
            advance(len(data))
            seconds = time.monotonic() - window_start
            if seconds > patience.silence_s:
                if window_received < patience.min_bytes_per_s * seconds:
                    raise _AttemptFailedError(
                        f"too slow: {window_received:,} bytes in {seconds:.1f} s", retry=True
                    )
                window_start, window_received = time.monotonic(), 0
    return received, hashed.hexdigest()


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise InputError(f"{file.name}: can't write the download: {error}") from None


def _check_disk_space(folder: Path, size: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise InputError(
            f"{folder}: the download needs {size / 1e9:.2f} GB of disk space, {free / 1e9:.2f} GB "
            "are free; free some, or set XDG_CACHE_HOME to a folder on a larger disk"
        )


@contextlib.contextmanager
def _network_errors(patience: Patience) -> Iterator[None]:
    """Turn errors of the network and of HTTP into _AttemptFailedError."""
    silence = f"no data for {patience.silence_s:g} s"
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            raise _status_failure(error) from None
    except urllib.error.URLError as error:
        raise _connection_failure(error.reason, silence) from None
    except TimeoutError:
        raise _AttemptFailedError(silence, retry=True) from None
    except (http.client.InvalidURL, ValueError) as error:
        raise _AttemptFailedError(f"invalid address ({_text(error)})", retry=False) from None
    except (http.client.HTTPException, OSError) as error:
        raise _AttemptFailedError(f"the connection broke ({_text(error)})", retry=True) from None


def _status_failure(error: urllib.error.HTTPError) -> _AttemptFailedError:
    retry = error.code in _RETRIED_STATUSES
    return _AttemptFailedError(
        f"{_status_reason(error.code)} (status {error.code})",
        retry=retry,
        retry_after_s=_retry_after_s(error) if retry else None,
    )


def _status_reason(status: int) -> str:
    if status in _STATUS_REASONS:
        return _STATUS_REASONS[status]
    if 300 <= status < 400:
        return "redirected in a circle or to something that is not a web address"
    return "the server failed" if status >= 500 else "the server refused the request"


def _retry_after_s(error: urllib.error.HTTPError) -> float | None:
    """Return the header Retry-After, a number of seconds or a date, in seconds from now."""
    value = error.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _connection_failure(reason: BaseException | str, silence: str) -> _AttemptFailedError:
    """Return the failure of an attempt that got no response at all."""
    if isinstance(reason, TimeoutError):
        return _AttemptFailedError(silence, retry=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _AttemptFailedError(
            f"the server's certificate is not trusted ({_text(reason)})", retry=False
        )
    if isinstance(reason, socket.gaierror):
        return _AttemptFailedError(
            f"host not found; is there a network? ({_text(reason)})", retry=True
        )
    return _AttemptFailedError(
        f"no connection ({_text(reason)})", retry=isinstance(reason, OSError)
    )


def _text(error: BaseException | str) -> str:
    return str(error) or type(error).__name__
