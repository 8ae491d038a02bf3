"""Keep what libraries log, warn of and raise out of the log: it holds what they were given.

python-multipart logs bytes of a form that it can't parse, pydicom warns of values of tags, and the
message of an exception may quote either. The log has classes and places in the code instead.
"""

import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any, Protocol


class Sink(Protocol):
    """What is logged of faults."""

    def event(self, event: str, **fields: str | int | float | None) -> None:
        """Note what happened."""

    def fault(self, error: BaseException) -> None:
        """Note a bug."""


def silence_libraries(sink: Sink) -> None:
    """Let nothing that a library logs, warns of or raises be printed with its text.

    It holds until the process ends. Those that decode images print nothing at all.
    """
    root = logging.getLogger()
    root.handlers[:] = [_PlacesOnly(sink)]
    root.setLevel(logging.WARNING)
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.lastResort = None
    logging.raiseExceptions = False  # which would print what was to be logged
    warnings.simplefilter("ignore")
    warnings.showwarning = _drop  # for a library that sets a filter of its own

    def report(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        sink.fault(error)

    def report_args(args: Any) -> None:
        if args.exc_value is not None:
            sink.fault(args.exc_value)

    sys.excepthook = report
    threading.excepthook = report_args
    sys.unraisablehook = report_args


def describe_fault(error: BaseException) -> str:
    """Return, on a line, the classes of an exception and its causes, and the places in the code."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        places = " > ".join(f"{_module(each.filename)}:{each.lineno}" for each in frames)
        parts.append(f"{type(current).__name__} at {places or 'no place'}")
        current = current.__cause__ or current.__context__
    return "; caused by ".join(parts)


class _PlacesOnly(logging.Handler):
    """Notes which library logs where in its code, and not what."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(logging.WARNING)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._sink.fault(record.exc_info[1])
        else:
            place = f"{_module(record.pathname)}:{record.lineno}"
            self._sink.event("library", level=record.levelname, name=record.name, at=place)


def _drop(*_: Any, **__: Any) -> None:
    """Take the place of `warnings.showwarning`."""


def _module(filename: str) -> str:
    """Return the end of a path in the code: folder and file."""
    return "/".join(filename.replace("\\", "/").split("/")[-2:])
