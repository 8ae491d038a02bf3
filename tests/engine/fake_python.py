"""Interpreters that only know their version."""

from pathlib import Path


def write(folder: Path, name: str, version: str) -> Path:
    """Write a command that answers as Python `version` would; empty: one that fails to start."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / name
    command.unlink(missing_ok=True)
    body = f"echo {version}" if version else "echo 'version not installed' >&2; exit 127"
    command.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    command.chmod(0o755)
    return command
