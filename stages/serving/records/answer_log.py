"""The answer log: one line of JSON per answer, each with the digest of the line before it.

A line is on the disk (`fdatasync`) before its answer is sent: no line, no answer. `head` holds the
number and the digest of the newest line, written after it, so that lines removed from the end are
missed too. What that can't tell: whoever may write to the folder can write a whole new chain and
head. A line's number and digest that were noted elsewhere (the log of the service) find it.

Files: `answers-000001.jsonl` and so on, `head`, `image-hash.key`, `lock`; all for their owner only.
"""

import contextlib
import datetime
import errno
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.files import add_filename, sha256_bytes
from stages.engine.locks import locked
from stages.serving.access.private_file import sync_folder
from stages.serving.records.answer_chain import (
    HEAD,
    Head,
    format_head,
    log_files,
    log_name,
    unfinished_event,
)
from stages.serving.records.answer_folder import (
    HASH_KEY,
    image_key,
    make_private,
    newest_line,
    refuse_held,
)
from stages.serving.seams import AnswerLine

LARGEST_FILE = 64 << 20
"""Bytes after which a new file begins."""

_NOTED_EVERY = 1000

_sync = getattr(os, "fdatasync", os.fsync)  # which macOS does not have


@dataclass
class _File:
    """The file that is written: its descriptor, number and length without half-written lines."""

    handle: int
    number: int
    length: int


@dataclass
class _Request:
    """The lines of a request, which are all kept or none."""

    events: Sequence[Mapping[str, Any]]
    done: bool = False
    error: OSError | None = None


class FolderAnswerLog:
    """An answer log in a folder, which one service writes at a time.

    Args:
        folder: Is created if it is not there.
        largest_file: Bytes after which a new file begins.
        note: Is called with the newest line at the start, at the end and now and then, to keep it
            elsewhere.

    Raises:
        InputError: Another service writes there, the folder or its key is readable by others, or
            the newest lines are not those that were written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        largest_file: int = LARGEST_FILE,
        note: Callable[[Head], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._note = note
        self._noted = 0
        self._largest = largest_file
        self._lock = threading.Lock()
        self._closed = False
        self._waiting_lock = threading.Lock()
        self._waiting: list[_Request] = []
        self._stack = contextlib.ExitStack()
        make_private(folder)
        self._stack.enter_context(locked(folder / "lock", when_held=lambda: refuse_held(folder)))
        try:
            self._key = image_key(folder / HASH_KEY)
            self._head, unfinished = newest_line(folder)
            # Before the first line, so that a log without it is one from which it was removed.
            self._head_handle = os.open(folder / HEAD, os.O_WRONLY | os.O_CREAT, 0o600)
            self._stack.callback(os.close, self._head_handle)
            self._file = _open(folder, max(log_files(folder), default=1))
            self._stack.callback(lambda: os.close(self._file.handle))
            self._write([unfinished_event(unfinished)] if unfinished else [], end=unfinished)
            self._write([{"event": "started"}])
            self._note(self._head)
        except BaseException:
            self._stack.close()
            raise

    @property
    def head(self) -> Head:
        """Number and digest of the newest line, to be noted elsewhere."""
        return self._head

    def count_lines(self) -> int:
        """Return the number of the newest line."""
        return self._head.number

    def write(self, lines: Sequence[AnswerLine]) -> None:
        """Keep the lines of a request, all or none.

        Raises:
            OSError: They are not kept, as on a full disk; the answer must not be sent.
        """
        events = [
            {
                "who": line.who,
                "request": line.request_id,
                "index": line.index,
                "image": self.hash_image(line.image),
                "model": line.model_digest,
                "version": line.version,
                "decision": line.decision,
                "refused": line.refused,
                "ms": line.milliseconds,
            }
            for line in lines
        ]
        request = _Request(events)
        with self._waiting_lock:
            self._waiting.append(request)
        with self._lock:
            if not request.done:
                self._write_waiting()
        if request.error is not None:
            raise OSError(request.error.errno, request.error.strerror, request.error.filename)

    def hash_image(self, image: bytes) -> str:
        """Return a digest by which the holder of the key, and nobody else, knows an image again."""
        return hmac.new(self._key, image, hashlib.sha256).hexdigest()

    def close(self) -> None:
        """Let another service write. A second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                with self._stack, contextlib.suppress(OSError):
                    self._write([{"event": "stopped"}])
                    self._note(self._head)

    def _write_waiting(self) -> None:
        """Write what waits, of all requests: they share one wait for the disk."""
        with self._waiting_lock:
            requests, self._waiting = self._waiting, []
        try:
            if self._closed:  # its descriptor may be another file's by now
                raise OSError(errno.EBADF, "the answer log is closed")
            self._write([event for request in requests for event in request.events])
        except OSError as error:
            for request in requests:
                request.error = error
        finally:
            for request in requests:
                request.done = True

    def _write(self, events: Sequence[Mapping[str, Any]], *, end: bytes = b"") -> None:
        """Append a line for each event; after a half-written line, whose end they first mark."""
        head, text = self._head, b"\n" if end else b""
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        for event in events:
            fields = {
                "n": head.number + 1,
                "time": time.replace("+00:00", "Z"),
                **event,
                "previous": head.digest,
            }
            line = json.dumps(fields, separators=(",", ":")).encode()
            head = Head(head.number + 1, sha256_bytes(line))
            text += line + b"\n"
        if self._file.length and self._file.length + len(text) > self._largest:
            self._rotate()
        self._append(text)
        self._head = head
        # If this fails, the lines count and the answer doesn't leave: a reader takes a head that is
        # behind for one that a killed service left.
        os.pwrite(self._head_handle, format_head(head), 0)
        if head.number >= self._noted + _NOTED_EVERY:
            self._note(head)
            self._noted = head.number

    def _append(self, text: bytes) -> None:
        """Write text durably, or leave the file as it was."""
        file = self._file
        try:
            written = 0
            while written < len(text):
                written += os.pwrite(file.handle, text[written:], file.length + written)
            _sync(file.handle)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(file.handle, file.length)
            add_filename(error, self._folder)
            raise
        file.length += len(text)

    def _rotate(self) -> None:
        following = _open(self._folder, self._file.number + 1)
        os.close(self._file.handle)
        self._file = following


def _open(folder: Path, number: int) -> _File:
    path = folder / log_name(number)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    sync_folder(folder)
    return _File(handle, number, os.fstat(handle).st_size)
