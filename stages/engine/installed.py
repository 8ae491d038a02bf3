"""Compare the installed packages with a lock file."""

import importlib.metadata
from collections.abc import Mapping

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from stages.engine.pins import Pin, read_pins


def mismatched_pins(lock_text: str, installed: Mapping[str, str] | None = None) -> list[str]:
    """List the pinned packages that are missing or installed in another version.

    Args:
        lock_text: Text of a lock file. Installed packages that it does not pin are ignored, and
            one that it pins for other environments only may be missing.
        installed: Versions by name; by default what this interpreter has.

    Returns:
        One phrase per package, sorted by name.
    """
    found = _installed() if installed is None else installed
    versions: dict[str, str] = {canonicalize_name(name): found[name] for name in found}
    pins: dict[str, list[Pin]] = {}
    for pin in read_pins(lock_text):
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    mismatches = []
    for name, candidates in sorted(pins.items()):
        version = versions.get(name)
        here = [pin for pin in candidates if not pin.marker or Marker(pin.marker).evaluate()]
        allowed = sorted({pin.version for pin in here or candidates})
        if version is None and here:
            mismatches.append(f"{name} is not installed, pinned {' or '.join(allowed)}")
        elif version is not None and version not in allowed:
            mismatches.append(f"{name} is {version}, pinned {' or '.join(allowed)}")
    return mismatches


def _installed() -> dict[str, str]:
    return {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
