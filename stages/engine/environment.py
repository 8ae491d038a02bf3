"""Create or update the virtual environment `.venv` from the lock files.

`make` runs this with whatever `python3` there is, before anything is installed: standard library
only. The lock files are written by `stages.engine.resolve`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from stages.engine.console import print_note
from stages.engine.interpreter import Interpreter, allowed_versions, find, probe
from stages.engine.pins import read_pins

PYPROJECT = Path("pyproject.toml")
LOCK = Path("requirements.lock")
# What the set-up itself needs, in every environment: uv, which installs, and setuptools.
INSTALLER = "setup"
# First words of a lock file that is installed instead of requirements.lock, not on top of it.
REPLACES = "# Replaces requirements.lock"
VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".setup.json"


class Stamp(NamedTuple):
    """What `.venv` was set up with, kept in it.

    Attributes:
        extras: The extras that are installed, sorted.
        python: Minor version of its Python.
        digest: Of the lock files and pyproject.toml; empty while an update is incomplete.
    """

    extras: list[str]
    python: str
    digest: str


def lock_of(extra: str) -> Path:
    """Return the lock file of an extra."""
    return Path(f"requirements-{extra}.lock")


def extras_with_a_lock() -> list[str]:
    """List the extras that can be installed: those whose lock file is here."""
    stems = (path.stem for path in Path().glob(str(lock_of("*"))))
    return sorted(stem.partition("-")[2] for stem in stems)


def lock_files(extras: Collection[str]) -> list[Path]:
    """List the lock files to install for these extras.

    Raises:
        SystemExit: An extra has no lock file, or two of them both replace requirements.lock.
    """
    known = extras_with_a_lock()
    unknown = sorted(set(extras) - set(known))
    if unknown:
        choices = ", ".join(name for name in known if name != INSTALLER)
        raise SystemExit(
            f"EXTRAS: no lock file for {', '.join(unknown)}; choose from {choices}. A new extra of "
            "pyproject.toml gets its lock file from `make lock`"
        )
    chosen = sorted({INSTALLER, *extras})
    replacing = [name for name in chosen if _text(lock_of(name)).startswith(REPLACES)]
    if len(replacing) > 1:
        raise SystemExit(f"EXTRAS: {' and '.join(replacing)} exclude each other; choose one")
    base = lock_of(replacing[0]) if replacing else LOCK
    return [base, *(lock_of(name) for name in chosen if name not in replacing)]


def lines_of_pin(lock: Path, package: str) -> str:
    """Return the lines of a lock file for one package: its pin and its hashes.

    Raises:
        ValueError: The lock file does not pin the package.
    """
    for pin in read_pins(_text(lock)):
        if pin.name == package:
            return pin.text
    raise ValueError(f"{lock}: expected a pin of {package!r}, found none; run `make lock`")


def setup(requested_python: str, extras: Collection[str] | None, needed: Collection[str]) -> None:
    """Bring `.venv` to exactly what the lock files pin; do nothing if it is there already.

    Args:
        requested_python: Interpreter for `.venv`; empty for the one it has, or else any that fits.
        extras: Exactly these extras; None for those that are installed.
        needed: Extras to add to them.
    """
    previous = _read_stamp()
    kept = [name for name in previous.extras if name in extras_with_a_lock()]
    wanted = sorted({*(kept if extras is None else extras), *needed})
    locks = lock_files(wanted)
    digest = hashlib.sha256("".join(map(_text, [*locks, PYPROJECT])).encode()).hexdigest()
    python = _usable_venv(previous, requested_python)
    if python is not None and previous == Stamp(wanted, python.minor, digest):
        return
    if python is None:
        python = find(allowed_versions(_text(PYPROJECT)), requested_python, VENV)
        print_note(f"creating {VENV} with Python {python.version} ({python.path})")
        _run(python.path, "-m", "venv", "--clear", VENV)
    # The extras are remembered even if the rest fails, for instance without a network.
    _write_stamp(Stamp(wanted, python.minor, ""))
    _install(locks)
    _write_stamp(Stamp(wanted, python.minor, digest))
    with_extras = f", extras {', '.join(wanted)}" if wanted else ""
    print_note(f"{VENV} is up to date: Python {python.version}{with_extras}")


def _usable_venv(previous: Stamp, requested: str) -> Interpreter | None:
    """Return the interpreter in `.venv`, None if it must be created anew.

    An upgrade of the operating system can leave it without its Python, or with another version
    that does not see its packages.
    """
    found = probe(str(PYTHON))
    allowed = allowed_versions(_text(PYPROJECT))
    if found is None or found.minor not in allowed or found.minor != previous.python:
        return None
    if requested and find(allowed, requested, VENV).minor != found.minor:
        return None
    return found


def _install(locks: list[Path]) -> None:
    """Install what the lock files pin, remove everything else, add this checkout itself."""
    bootstrap = VENV / "uv.lock.txt"
    bootstrap.write_text(lines_of_pin(lock_of(INSTALLER), "uv"), encoding="utf-8")
    pip: list[str | Path] = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    _run(*pip, "--require-hashes", "--no-deps", "--requirement", bootstrap)
    uv: list[str | Path] = [PYTHON, "-m", "uv", "pip"]
    # Compiled once, here: with PYTHONDONTWRITEBYTECODE, which many containers set, every stage
    # would compile TensorFlow and MLflow again.
    _run(*uv, "sync", "--quiet", "--require-hashes", "--compile-bytecode", *locks)
    # The command `pneumonia` runs the code of this checkout; the locked setuptools builds it.
    # As a line in a .pth file: the default, a finder in Python, delays the start of every process.
    compatible = ("--config-setting", "editable_mode=compat")
    _run(*uv, "install", "--quiet", "--no-deps", "--no-build-isolation", *compatible, "-e", ".")


def _read_stamp() -> Stamp:
    try:
        return Stamp(**json.loads(_text(STAMP)))
    except (OSError, ValueError, TypeError):
        return Stamp([], "", "")


def _write_stamp(stamp: Stamp) -> None:
    temporary = STAMP.with_suffix(".tmp")
    temporary.write_text(json.dumps(stamp._asdict()), encoding="utf-8")
    temporary.replace(STAMP)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _run(*command: str | Path) -> None:
    # uv finds the environment by this variable, whatever else is active in the shell.
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV.resolve())}
    finished = subprocess.run([str(part) for part in command], env=environment, check=False)
    if finished.returncode:
        # The failed command printed the reason; a traceback would bury it.
        raise SystemExit(f"set-up stopped: `{' '.join(map(str, command))}` failed")


def main() -> None:
    """Parse the command line that the Makefile writes, and set up."""
    parser = argparse.ArgumentParser(prog="python3 -m stages.engine.environment")
    parser.add_argument("--python", default="", help="interpreter for .venv")
    parser.add_argument("--extras", help="exactly these extras, separated by spaces")
    parser.add_argument("--need", default="", help="extras to add to those that are installed")
    arguments = parser.parse_args()
    extras = None if arguments.extras is None else arguments.extras.split()
    setup(arguments.python, extras, arguments.need.split())


if __name__ == "__main__":
    main()
