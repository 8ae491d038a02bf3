"""Print to the terminal. Everything that this project prints passes here.

Whatever a text holds, it stays text: what a terminal would obey becomes visible
(`engine.printable`), and user and password of an address are left out (`engine.addresses`).

Syntax of Python 3.7, since the set-up runs this with whatever Python there is.
"""

from __future__ import annotations

import json
import sys
import traceback
from types import TracebackType
from typing import TextIO

from stages.engine.addresses import hide_credentials
from stages.engine.printable import printable_json, printable_lines


def print_text(text: str = "", *, end: str = "\n", flush: bool = False) -> None:
    """Print results, of one line or several, on stdout."""
    _write(sys.stdout, shown(text) + end)
    if flush:
        sys.stdout.flush()


def print_note(text: str) -> None:
    """Print a warning, an error or how the work goes on stderr."""
    _write(sys.stderr, f"{shown(text)}\n")


def print_json(value: object) -> None:
    """Print a value as JSON on stdout; its strings keep every character, escaped where needed."""
    _write(sys.stdout, f"{printable_json(json.dumps(value, indent=2))}\n")


def shown(text: str) -> str:
    """Return a text as it may be printed: printable, and without credentials in addresses."""
    return printable_lines(hide_credentials(text))


def print_tracebacks_safely() -> None:
    """Let an exception that nobody catches be printed as every other text is.

    A traceback ends with the exception's message, which may hold a name from outside.
    """

    def report(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            print_note("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))

    sys.excepthook = report


def _write(stream: TextIO, text: str) -> None:
    # A terminal of another encoding gets escapes for what it lacks, not a traceback.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
