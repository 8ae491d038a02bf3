"""Give back the memory of versions that no request uses any more.

A version imports its code under a package name of its own. Python keeps such modules for ever, so
they are dropped here once no detector made of them is left. `keras.backend.clear_session` must
never be called for that: it would take the state of the version that answers as well.
"""

import gc
import re
import sys
import weakref
from collections.abc import Callable
from typing import TypeVar

from stages.engine.zipped_code import forget
from stages.registry.earlier_detector import EarlierDetector

_PACKAGE = re.compile(r"pneumonia_[0-9a-f]{12}")
T = TypeVar("T")


class InUse:
    """The detectors that were loaded, and the packages that their code is in."""

    def __init__(self) -> None:
        """Start with none."""
        self._detectors: list[tuple[weakref.ref[object], str]] = []
        self._packages: set[str] = set()

    def loading(self, load: Callable[[], T]) -> T:
        """Return `load()`, and remember which packages it imports."""
        before = _imported()
        try:
            return load()
        finally:
            self._packages |= _imported() - before

    def add(self, detector: object) -> None:
        """Note that a detector may be in use until nothing refers to it."""
        package = (
            detector.package
            if isinstance(detector, EarlierDetector)
            else type(detector).__module__.partition(".")[0]
        )
        self._detectors.append((weakref.ref(detector), package))

    def sweep(self) -> None:
        """Drop the modules of packages of which no detector is left."""
        left = [(detector, package) for detector, package in self._detectors if detector()]
        unused = self._packages - {package for _, package in left}
        if not unused and len(left) == len(self._detectors):
            return
        self._detectors = left
        self._packages -= unused
        for package in unused:
            forget(package)
        gc.collect()  # a network and its graphs refer to each other


def _imported() -> set[str]:
    return {name for name in [*sys.modules] if _PACKAGE.fullmatch(name)}
