"""Run DVC by its command line; DVC itself is imported nowhere."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.engine.errors import InputError


def run(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Run a DVC command of this Python environment, with all that it prints on stderr.

    Args:
        arguments: The command, such as "repro", "evaluate".
        folder: Where it runs; default: the current folder.
        environment: The environment variables that it gets; default: ours.

    Raises:
        InputError: The command fails.
    """
    sys.stderr.flush()
    status = subprocess.run(
        _command(arguments),
        env=_with_our_python(environment),
        cwd=folder,
        stdout=sys.stderr,
        check=False,
    ).returncode
    if status:
        raise InputError(
            f"dvc {' '.join(arguments)}: ended with status {status}; the reason is printed above"
        )


def output(*arguments: str) -> str:
    """Return what a DVC command prints.

    Raises:
        InputError: The command fails; the message holds what it printed on stderr.
    """
    finished = subprocess.run(
        _command(arguments), env=_with_our_python(None), text=True, capture_output=True, check=False
    )
    if finished.returncode:
        raise InputError(
            f"dvc {' '.join(arguments)}: ended with status {finished.returncode}: "
            f"{finished.stderr.strip()}"
        )
    return finished.stdout


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def _with_our_python(environment: Mapping[str, str] | None) -> dict[str, str]:
    """`environment` with this Python first on the path: stages run `python`."""
    given = os.environ if environment is None else environment
    bin_folder = str(Path(sys.executable).parent)
    return {**given, "PATH": f"{bin_folder}{os.pathsep}{given.get('PATH', '')}"}
