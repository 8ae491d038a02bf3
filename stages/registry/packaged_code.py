"""The code that a registered model takes along, and the packages that this code needs."""

import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from stages.engine.closure import PACKAGE, code_digests, import_closure
from stages.engine.files import digest, write_text
from stages.engine.pins import read_pins

MODULE = f"{PACKAGE}.registry.pyfunc_model"
"""The module that MLflow loads; it and what it imports are copied."""

# Distributions that are not named like the module that they provide.
_DISTRIBUTIONS = {
    "cv2": ("opencv-python-headless",),
    "PIL": ("pillow",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}


def copy_code(root: Path, into: Path) -> str:
    """Copy MODULE and what it imports, and return the name of the copied package.

    The name contains a digest of the code, so that versions with different code can be loaded in
    one process and none uses this repository's. Imports are rewritten to that name.

    Args:
        root: The repository.
        into: Folder for the package.
    """
    package = f"pneumonia_{digest(code_digests([MODULE], root))[:12]}"
    for path in import_closure(MODULE, root):
        text = (root / path).read_text(encoding="utf-8")
        renamed = re.sub(
            rf"^(\s*(?:from|import) ){PACKAGE}\b", rf"\g<1>{package}", text, flags=re.MULTILINE
        )
        write_text(into / package / path.relative_to(PACKAGE), renamed)
    return package


def requirements(root: Path, lock: Path) -> list[str]:
    """Return the pins, with platform markers, of every package that the copied code imports.

    Args:
        root: The repository.
        lock: The lock file.

    Raises:
        ValueError: The code imports a package that the lock file does not pin.
    """
    pins = locked_pins(lock)
    needed = [
        distribution
        for module in _imported_modules([root / path for path in import_closure(MODULE, root)])
        for distribution in _DISTRIBUTIONS.get(module, (module,))
    ]
    unpinned = [name for name in needed if name not in pins]
    if unpinned:
        raise ValueError(f"{lock}: expected pins of {', '.join(unpinned)}, found none")
    return [pin for name in needed for pin in pins[name]]


def locked_pins(lock: Path) -> dict[str, list[str]]:
    """Return the pins of each package in a lock file, one per platform, without hashes."""
    pins: dict[str, list[str]] = {}
    for pin in read_pins(lock.read_text(encoding="utf-8")):
        pins.setdefault(pin.name, []).append(pin.requirement)
    return pins


def _imported_modules(paths: Sequence[Path]) -> list[str]:
    """Return the top-level modules that these files import from other distributions."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return sorted(found - set(sys.stdlib_module_names) - {PACKAGE})
