"""What is installed, beside what a lock file pins."""

import importlib.metadata
import re
from collections.abc import Mapping

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*)$", re.MULTILINE)


def differences(lock_text: str, installed: Mapping[str, str] | None = None) -> list[str]:
    """Pinned packages that are installed otherwise, or not at all, one phrase each.

    A pin for some platforms only may be missing. installed: version by name, default: those of
    this process. Packages that the lock does not name are not looked at.
    """
    found = _installed() if installed is None else installed
    have = {_plain(name): version for name, version in found.items()}
    pins: dict[str, set[str]] = {}
    everywhere: set[str] = set()
    for name, version, rest in _PIN.findall(lock_text):
        pins.setdefault(_plain(name), set()).add(version)
        if ";" not in rest:
            everywhere.add(_plain(name))
    told = []
    for name, versions in sorted(pins.items()):
        version = have.get(name)
        if version is None and name in everywhere:
            told.append(f"{name} is not installed, pinned {' or '.join(sorted(versions))}")
        elif version is not None and version not in versions:
            told.append(f"{name} is {version}, pinned {' or '.join(sorted(versions))}")
    return told


def _installed() -> dict[str, str]:
    return {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
