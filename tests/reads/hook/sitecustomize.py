"""Loaded by every Python process whose PYTHONPATH names this folder: records what it reads.

`READS_ROOT` is a repository's root. Each process appends to the file `READS_LOG` one JSON line for
each new thing: a file or folder under the root that it opens or lists, a command that it starts,
an environment variable that the repository's own code reads. It does not see what a library opens
in native code, nor a check whether a file exists.
"""

import json
import os
import sys
import threading
from typing import Any

_ROOT = os.environ.get("READS_ROOT", "")
_LOG = os.environ.get("READS_LOG", "")
_WRITING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_IMPORTER = "<frozen importlib._bootstrap_external>"
_SKIPPED = (os.__file__, "<frozen os>", "<frozen _collections_abc>", __file__)
_thread = threading.local()
_seen: set[str] = set()
_copying: set[tuple[str, int]] = set()
"""Lines of code that take all variables, as to start another process."""


def _record(kind: str, name: str) -> None:
    line = json.dumps(
        {
            "stage": os.environ.get("DVC_STAGE", ""),
            "command": " ".join(sys.orig_argv[1:4]),
            "kind": kind,
            "name": name,
        }
    )
    if line not in _seen:
        _seen.add(line)
        log = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(log, f"{line}\n".encode())
        os.close(log)


def _below_root(path: Any) -> str | None:
    """The path relative to the root; None for what is not in the repository."""
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    name = os.fsdecode(path)
    if name.startswith("<"):  # a frozen module, or code without a file
        return None
    full = os.path.abspath(name)  # noqa: PTH100
    return full[len(_ROOT) + 1 :] if full.startswith(_ROOT + os.sep) else None


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if getattr(_thread, "busy", False):
        return
    _thread.busy = True
    try:
        if event == "open":
            path, _, flags = arguments
            name = _below_root(path)
            # A recursive deletion opens folders relative to a descriptor, not to this folder.
            if name and not sys._getframe(1).f_code.co_name.startswith("_rmtree"):
                writes = isinstance(flags, int) and flags & _WRITING
                _record("write" if writes else "read", name)
        elif event in ("os.listdir", "os.scandir"):
            name = _below_root(arguments[0] or ".")
            if name and sys._getframe(1).f_code.co_filename != _IMPORTER:
                _record("list", name)
        elif event == "sqlite3.connect":
            address = os.fsdecode(arguments[0]).removeprefix("file:").partition("?")[0]
            name = _below_root(address)
            if name:
                _record("read", name)
        elif event == "subprocess.Popen":
            _record("start", " ".join(map(os.fsdecode, arguments[1]))[:80])
    finally:
        _thread.busy = False


class _Environment(type(os.environ)):  # type: ignore[misc]
    """`os.environ` that records the variables that the repository's own code reads."""

    def __getitem__(self, key: str) -> str:
        _on_variable(key)
        value: str = super().__getitem__(key)
        return value

    def __contains__(self, key: object) -> bool:
        _on_variable(str(key))
        return bool(super().__contains__(key))

    def __iter__(self) -> Any:
        _on_variable("*")
        return super().__iter__()


def _on_variable(key: str) -> None:
    if getattr(_thread, "busy", False):
        return
    frame = sys._getframe(2)
    while frame.f_back and frame.f_code.co_filename in _SKIPPED:
        frame = frame.f_back
    line = frame.f_code.co_filename, frame.f_lineno
    if line in _copying:
        return
    if key == "*":
        _copying.add(line)
    _thread.busy = True
    try:
        name = _below_root(frame.f_code.co_filename)
        if name:
            _record("variable", f"{key} in {name}")
    finally:
        _thread.busy = False


if _ROOT:
    os.environ.__class__ = _Environment
    sys.addaudithook(_on_event)
