"""Find a Python that the lock files were resolved for.

Standard library and the syntax of Python 3.7 only, so that an interpreter that is too old can still
report what is needed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

_PROBE = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


class Interpreter(NamedTuple):
    """A Python that runs: its path and its version, such as `3.11.7`."""

    path: str
    version: str

    @property
    def minor(self) -> str:
        """The version without its last part, such as `3.11`."""
        return self.version.rpartition(".")[0]


def allowed_versions(pyproject: str) -> list[str]:
    """List the minor versions of Python that the text of a pyproject.toml allows, oldest first."""
    found = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', pyproject, flags=re.MULTILINE)
    if found is None:
        raise ValueError('pyproject.toml: requires-python must have the form ">=3.X,<3.Y"')
    return [f"3.{minor}" for minor in range(int(found[1]), int(found[2]))]


def probe(command: str, search: str | None = None) -> Interpreter | None:
    """Start `command` and return what it is; None if it is missing or does not run.

    Args:
        command: A name or a path. A version manager puts names on the PATH that fail when started.
        search: Folders to look a name up in, as in PATH, which is the default.
    """
    path = shutil.which(command, path=search)
    if path is None:
        return None
    finished = subprocess.run([path, "-c", _PROBE], capture_output=True, text=True, check=False)
    if finished.returncode:
        return None
    return Interpreter(path, finished.stdout.strip())


def find(allowed: list[str], requested: str, venv: Path) -> Interpreter:
    """Find an interpreter of an allowed version.

    Without a request, the oldest allowed version is tried first, because the committed results were
    made with it, then `python3`, then the other allowed versions, newest first.

    Args:
        allowed: Minor versions, oldest first.
        requested: The interpreter to use, a name or a path; empty to search the PATH.
        venv: The environment to create, whose own interpreter is passed over.

    Raises:
        SystemExit: None was found, with a message for the user.
    """
    needed = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    if requested:
        found = probe(requested)
        if found is None:
            raise SystemExit(f"PYTHON={requested}: not a Python that runs; needed: Python {needed}")
        if found.minor not in allowed:
            raise SystemExit(f"PYTHON={requested} is Python {found.version}; needed: {needed}")
        return found
    search = os.pathsep.join(_other_folders(venv))
    first, *others = (f"python{version}" for version in allowed)
    rejected = []
    for name in (first, "python3", *reversed(others)):
        found = probe(name, search)
        if found is not None and found.minor in allowed:
            return found
        rejected.append(f"{name} is {found.version} ({found.path})" if found else f"no {name}")
    raise SystemExit(
        f"Python {needed} is needed; on the PATH: {', '.join(rejected)}. Install one of them, or "
        f"name one: make setup PYTHON=/path/to/python{allowed[-1]}"
    )


def _other_folders(venv: Path) -> list[str]:
    """The folders on the PATH outside of `venv`, which may be active and about to be replaced."""
    inside = (venv / "bin").resolve()
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [folder for folder in folders if Path(folder).resolve() != inside]
