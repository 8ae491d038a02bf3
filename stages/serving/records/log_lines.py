"""The log of the service on stderr: a line per request and per event, and no text of a request."""

import datetime
import json
import threading
import time
from collections.abc import Callable

from stages.engine.console import print_note
from stages.engine.printable import printable
from stages.serving.records.quiet import describe_fault

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_OTHER = "other"
_REFUSED = (400, 401, 403)
_REFUSED_A_MINUTE = 60
"""Lines of requests that nobody let in; further ones are counted, so that they fill no disk."""


class ServiceLog:
    """Writes lines, as JSON or as text.

    Args:
        as_json: Write one JSON object a line, for programs.
        write: Takes a line.
    """

    def __init__(self, *, as_json: bool = False, write: Callable[[str], None] = print_note) -> None:
        self._as_json = as_json
        self._write = write
        self._lock = threading.Lock()
        self._minute = 0.0
        self._refused = 0

    def event(self, event: str, **fields: str | int | float | None) -> None:
        """Note what happened; no field may be text of a request."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        time_text = now.replace("+00:00", "Z")
        if self._as_json:
            line = json.dumps({"time": time_text, "event": event, **fields})
        else:
            rest = (f"{name}={'-' if value is None else value}" for name, value in fields.items())
            line = printable(" ".join((time_text, event, *rest)))
        with self._lock:
            self._write(line)

    def fault(self, error: BaseException) -> None:
        """Note the class of an exception, of those that caused it, and where they were raised."""
        self.event("fault", where=describe_fault(error))

    def request(
        self, request_id: str, method: str, route: str, status: int, seconds: float, who: str | None
    ) -> None:
        """Note a request.

        Args:
            request_id: Of ours.
            method: Of HTTP; one that is not known is "other".
            route: One of the routes, or "other".
            status: Of the answer.
            seconds: From its header to the end of its answer.
            who: Name of the key; None where none was needed.
        """
        if status in _REFUSED and not self._has_room():
            return
        self.event(
            "request",
            id=request_id,
            method=method if method in _METHODS else _OTHER,
            route=route,
            status=status,
            ms=round(1000 * seconds),
            key=who,
        )

    def _has_room(self) -> bool:
        """Return whether one more refused request may be written; else it is counted."""
        if (now := time.monotonic()) >= self._minute + 60:
            if self._refused > _REFUSED_A_MINUTE:
                self.event("refused", not_listed=self._refused - _REFUSED_A_MINUTE)
            self._minute, self._refused = now, 0
        self._refused += 1
        return self._refused <= _REFUSED_A_MINUTE
