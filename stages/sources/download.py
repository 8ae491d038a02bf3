"""One file from a web server: whole, with the right checksum, or not at all.

Each attempt starts from the first byte: servers were seen to ignore requests for a range, and
what is appended to half a file is then garbage of the right size.
"""

import contextlib
import email.utils
import hashlib
import http.client
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from stages.engine.addresses import without_secrets
from stages.engine.errors import InputError

_CHUNK = 2**18
# 408 and 429 are the server's wish to be asked again; other 4xx stay as they are.
_PASSING = {408, 425, 429, 500, 502, 503, 504}

_REFUSED = {
    401: "a log-in is asked for",
    404: "the file is not there",
    410: "the file is gone",
    429: "too many requests",
}


@dataclass(frozen=True)
class Patience:
    """When to give up. `silence_s`: without a byte. `slowest`: bytes per second, over each
    `silence_s`. `wait_s`: before the second attempt; it doubles with each. `longest_wait_s`:
    that a server may ask for."""

    attempts: int = 5
    silence_s: float = 60
    slowest: float = 5_000
    wait_s: float = 2
    longest_wait_s: float = 600


PATIENCE = Patience()


class _FailedError(Exception):
    """An attempt that failed; `again`: whether another may help, `wait_s`: what the server asks."""

    def __init__(self, reason: str, *, again: bool, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.again = again
        self.wait_s = wait_s


def download(
    url: str, to: Path, *, sha256: str, size: int | None = None, patience: Patience = PATIENCE
) -> None:
    """Fetch `url` into the file `to`, which is there afterwards only if its SHA-256 is right.

    size: in bytes, where it is known beforehand. Attempts and waits are told on stderr. Whatever
    is in `to` + ".part" is written over. Raises InputError with the reason.
    """
    _check_space(to.parent, size)
    shown = without_secrets(url)
    part = to.with_name(f"{to.name}.part")
    wait = patience.wait_s
    try:
        for attempt in range(1, patience.attempts + 1):
            try:
                with part.open("wb") as file:
                    _attempt(url, file, sha256, size, patience)
                part.replace(to)
                return
            except _FailedError as failed:
                pause = wait if failed.wait_s is None else failed.wait_s
                if not failed.again or attempt == patience.attempts:
                    tried = f" (attempt {attempt})" if attempt > 1 else ""
                    raise InputError(f"{shown}: not downloaded: {failed}{tried}") from None
                if pause > patience.longest_wait_s:
                    raise InputError(
                        f"{shown}: not downloaded: {failed}; the server asks to come back in "
                        f"{pause:.0f} s"
                    ) from None
                print(
                    f"attempt {attempt} of {patience.attempts}: {failed}; again from the start in "
                    f"{pause:.0f} s",
                    file=sys.stderr,
                )
            time.sleep(pause)
            wait *= 2
    finally:
        part.unlink(missing_ok=True)


def _attempt(url: str, file: IO[bytes], sha256: str, size: int | None, patience: Patience) -> None:
    with _failures(patience), _ask(url, patience.silence_s) as answer:
        promised = _check_answer(answer, size)
        _check_space(Path(file.name).parent, promised)
        received, checksum = _copy(answer, file, promised, patience)
    if promised is not None and received < promised:
        raise _FailedError(
            f"the connection was cut after {received:,} of {promised:,} bytes", again=True
        )
    if checksum != sha256:
        raise _FailedError(
            f"expected the SHA-256 {sha256}, received {received:,} bytes with {checksum}: another "
            "file, or one that was damaged on the way",
            again=False,
        )


def _ask(url: str, silence_s: float) -> http.client.HTTPResponse:
    """Web addresses alone, also after a redirect: none to a file of this machine."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler, urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    headers = {"User-Agent": "pneumonia-pipeline", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers)
    answer: http.client.HTTPResponse = opener.open(request, timeout=silence_s)
    return answer


def _check_answer(answer: http.client.HTTPResponse, size: int | None) -> int | None:
    """The file's size in bytes, if it is known."""
    told = answer.headers.get("Content-Length", "")
    promised = int(told) if told.isdecimal() else None
    kind = answer.headers.get_content_type()
    if answer.status != http.HTTPStatus.OK or (None not in (size, promised) and size != promised):
        expected = "a file" if size is None else f"{size:,} bytes"
        raise _FailedError(
            f"expected {expected}, the server offers {told or 'some'} bytes of type {kind} (status "
            f"{answer.status}): not the file",
            again=False,
        )
    return promised if size is None else size


def _copy(
    answer: http.client.HTTPResponse, file: IO[bytes], promised: int | None, patience: Patience
) -> tuple[int, str]:
    """Bytes received, and their SHA-256."""
    hashed, received = hashlib.sha256(), 0
    since, before = time.monotonic(), 0
    with _bar(promised) as bar:
        # read1 returns what is there; read would wait for a whole chunk of a server that drips.
        while data := answer.read1(_CHUNK):
            received += len(data)
            if promised is not None and received > promised:
                raise _FailedError(f"the server sends more than {promised:,} bytes", again=False)
            hashed.update(data)
            _write(file, data)
            bar.update(len(data))
            now = time.monotonic()
            if now - since > patience.silence_s:
                if received - before < patience.slowest * (now - since):
                    raise _FailedError(
                        f"only {received - before:,} bytes in {now - since:.1f} s", again=True
                    )
                since, before = now, received
    return received, hashed.hexdigest()


def _bar(promised: int | None) -> Any:
    return tqdm(
        total=promised, desc="download", unit="B", unit_scale=True, leave=False,
        disable=not sys.stderr.isatty(),
    )  # fmt: skip


def _write(file: IO[bytes], data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise InputError(f"{file.name}: expected room for the download: {error}") from None


def _check_space(folder: Path, size: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if size is not None and size > free:
        raise InputError(
            f"{folder}: expected {size / 1e9:.2f} GB of free disk for the download, found "
            f"{free / 1e9:.2f} GB; make room, or set XDG_CACHE_HOME to a folder on a larger disk"
        )


@contextlib.contextmanager
def _failures(patience: Patience) -> Iterator[None]:
    """What the network does to us, as reasons that say whether to try again."""
    silent = f"no byte for {patience.silence_s:g} s"
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from None
    except urllib.error.URLError as error:
        raise _unreachable(error.reason, silent) from None
    except TimeoutError:
        raise _FailedError(silent, again=True) from None
    except (http.client.InvalidURL, ValueError) as error:
        raise _FailedError(f"no address that can be asked ({_said(error)})", again=False) from None
    except (http.client.HTTPException, OSError) as error:
        raise _FailedError(f"the connection broke ({_said(error)})", again=True) from None


def _refusal(error: urllib.error.HTTPError) -> _FailedError:
    again = error.code in _PASSING
    return _FailedError(
        f"{_refused(error.code)} (status {error.code})",
        again=again,
        wait_s=_retry_after(error) if again else None,
    )


def _refused(status: int) -> str:
    if status in _REFUSED:
        return _REFUSED[status]
    if 300 <= status < 400:
        return "its redirects lead nowhere"
    return "the server failed" if status >= 500 else "the server refuses"


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    """Seconds that the server asks to wait, given as such or as a date."""
    told = error.headers.get("Retry-After", "")
    if told.isdecimal():
        return float(told)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    return None


def _unreachable(reason: Any, silent: str) -> _FailedError:
    """Why there was no answer at all."""
    if isinstance(reason, TimeoutError):
        return _FailedError(silent, again=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _FailedError(
            f"the server's certificate is not trusted ({_said(reason)})", again=False
        )
    if isinstance(reason, socket.gaierror):
        return _FailedError(f"its host is not found: no network? ({_said(reason)})", again=True)
    return _FailedError(f"no connection ({_said(reason)})", again=isinstance(reason, OSError))


def _said(error: Any) -> str:
    return str(error) or type(error).__name__
