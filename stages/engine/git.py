"""Run git."""

import subprocess
from pathlib import Path

from stages.engine.errors import InputError


def output(*arguments: str) -> str:
    """Return what a git command prints.

    Raises:
        InputError: The command fails, or git is not installed.
    """
    return output_bytes(*arguments).decode(errors="replace")


def output_bytes(*arguments: str) -> bytes:
    """Like `output`, for what is no text, such as an archive."""
    return _run(*arguments).stdout


def output_or_none(*arguments: str, timeout_s: float) -> str | None:
    """Like `output`, without the last line break; None where it fails or takes too long."""
    try:
        return _run(*arguments, timeout_s=timeout_s).stdout.decode(errors="replace").strip()
    except (InputError, subprocess.TimeoutExpired):
        return None


def file_at(rev: str, path: Path) -> str:
    """Return the text of a file, by its path from the current folder, as `rev` has it.

    Raises:
        InputError: There is no such commit, or no such file in it.
    """
    return output("show", f"{rev}:./{path.as_posix()}")


def _run(*arguments: str, timeout_s: float | None = None) -> subprocess.CompletedProcess[bytes]:
    try:
        finished = subprocess.run(
            ["git", *arguments], capture_output=True, check=False, timeout=timeout_s
        )
    except FileNotFoundError:
        raise InputError("git: not found; install git") from None
    if finished.returncode:
        message = finished.stderr.decode(errors="replace").strip()
        raise InputError(f"git {arguments[0]}: {message}")
    return finished
