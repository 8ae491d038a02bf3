"""Read a lock file: the pins that `uv pip compile` wrote, with their markers and hashes.

Standard library only, because `make setup` uses it before anything is installed.
"""

import re
from typing import NamedTuple

# A pin, then its hashes on lines joined by backslashes.
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)"
    r"(?:[ \t]*;[ \t]*(?P<marker>[^\\\n]*[^\\\s]))?"
    r"(?:[ \t]*\\\n[^\\\n]*)*\n?",
    flags=re.MULTILINE,
)


class Pin(NamedTuple):
    """One pinned distribution.

    Attributes:
        name: As the lock file spells it.
        version: The exact version.
        marker: The environments it is for (PEP 508), empty for all of them.
        text: Its lines in the lock file, hashes included.
    """

    name: str
    version: str
    marker: str
    text: str

    @property
    def requirement(self) -> str:
        """Name, version and marker as a line of a requirements file, without hashes."""
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


def read_pins(lock_text: str) -> "list[Pin]":
    """List the pins in the text of a lock file, in its order.

    A package that needs other versions on other platforms has one pin for each of them.
    """
    return [
        Pin(found["name"], found["version"], found["marker"] or "", found.group())
        for found in _PIN.finditer(lock_text)
    ]
