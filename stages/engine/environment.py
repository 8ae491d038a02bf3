"""Make the virtual environment from the hashed lock file, or renew the lock.

Run by a bare Python 3.11 as `python3.11 -m stages.engine.environment`, so it imports the
standard library alone.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from stages.engine.pins import read_pins

LOCK = Path("requirements.lock")
GPU_LOCK = Path("requirements-gpu.lock")
VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".lock-sha256"


def lines_of_pin(lock_text: str, package: str) -> str:
    """Return the lock's lines for one package: its pin and its hashes.

    Raises:
        ValueError: The lock does not pin the package.
    """
    for pin in read_pins(lock_text):
        if pin.name == package:
            return pin.text
    raise ValueError(f"{LOCK}: expected a pin of {package!r}, found none; run `make lock`")


def setup(lock: Path) -> None:
    """Bring `.venv` to exactly what `lock` says; do nothing where it already is."""
    text = lock.read_text(encoding="utf-8")
    wanted = hashlib.sha256(text.encode() + Path("pyproject.toml").read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    STAMP.unlink(missing_ok=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    bootstrap = VENV / "uv.lock.txt"
    bootstrap.write_text(lines_of_pin(text, "uv"))
    _run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "--no-deps", "-r", bootstrap)  # fmt: skip
    # Compiled here once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, every stage
    # would compile TensorFlow and MLflow anew.
    _uv("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", lock)
    # The command `pneumonia` is this checkout itself, built by the locked setuptools.
    _uv("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
    STAMP.write_text(wanted)
    print(f"{VENV} now holds what {lock} pins", file=sys.stderr)


def renew() -> None:
    """Resolve both lock files anew: names, versions and hashes, no registry host."""
    for lock, extras in ((LOCK, ["dev"]), (GPU_LOCK, ["dev", "gpu"])):
        flags = [flag for extra in extras for flag in ("--extra", extra)]
        _uv("pip", "compile", "--quiet", "--upgrade", "--universal", "--python-version", "3.11",
            "--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate",
            *flags, "pyproject.toml", "--output-file", lock)  # fmt: skip


def _uv(*arguments: str | Path) -> None:
    _run(PYTHON, "-m", "uv", *arguments)


def _run(*command: str | Path) -> None:
    # uv finds the environment by this variable, whatever else is active in the shell.
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV.resolve())}
    finished = subprocess.run([str(part) for part in command], env=environment, check=False)
    if finished.returncode:
        # The failed command has said why on its own stderr; a traceback would bury it.
        raise SystemExit(f"set-up stopped: `{' '.join(map(str, command))}` failed")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3.11 -m stages.engine.environment")
    parser.add_argument("action", choices=["setup", "lock"])
    parser.add_argument("--gpu", action="store_true", help="the CUDA build (untested)")
    arguments = parser.parse_args()
    if arguments.action == "setup":
        setup(GPU_LOCK if arguments.gpu else LOCK)
    else:
        renew()


if __name__ == "__main__":
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(
            f"this project runs on Python 3.11; received {sys.version.split()[0]} "
            f"({sys.executable}); install python3.11 and try again"
        )
    main()
