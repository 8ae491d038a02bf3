"""The code that a registered model takes along, and the packages that this code needs."""

import ast
import io
import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.engine.closure import PACKAGE, import_closure, meaning_digests
from stages.engine.files import digest
from stages.engine.pins import read_pins
from stages.engine.source_facts import memory

DETECTOR = f"{PACKAGE}.network.detector"
"""The module that answers."""

ENTRY = f"{PACKAGE}.registry.pyfunc_model"
"""The module that MLflow loads."""

MODULES = (DETECTOR, ENTRY)
"""They and what they import are packaged."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
# Distributions that are not named like the module that they provide.
_DISTRIBUTIONS = {
    "cv2": ("opencv-python-headless",),
    "PIL": ("pillow",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}


@dataclass(frozen=True)
class PackagedCode:
    """Code as it is packaged.

    Attributes:
        package: Name of its package. It contains a digest of what all of it means, so that versions
            with different code can be loaded in one process and none uses this repository's.
        digest: The digest of `code_digest`.
        archive: A zip archive of the package, equal bytes for equal files.
        entry: The text of the module that MLflow loads.
    """

    package: str
    digest: str
    archive: bytes
    entry: str


def code_digest(root: Path) -> str:
    """Return a digest of the code that decides a version's answers, as packaged from a repository.

    Comments and docstrings do not count, nor does the code that checks a package's files.
    """
    entry = Path(*ENTRY.split(".")).with_suffix(".py")
    own = {entry.as_posix(): memory().of(root / entry).meaning}
    return digest(meaning_digests([DETECTOR], root) | own)


def pack_code(root: Path) -> PackagedCode:
    """Pack MODULES and what they import, with imports rewritten to the package's name.

    Args:
        root: The repository.
    """
    package = f"pneumonia_{digest(meaning_digests(MODULES, root))[:12]}"
    texts = {
        f"{package}/{path.relative_to(PACKAGE).as_posix()}": _renamed(root / path, package)
        for path in _reached(root)
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, text in sorted(texts.items()):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = 3  # as on Unix, wherever this runs
            member.external_attr = 0o644 << 16
            archive.writestr(member, text)
    entry = texts[f"{package}/{ENTRY.split('.', 1)[1].replace('.', '/')}.py"]
    return PackagedCode(package, code_digest(root), packed.getvalue(), entry)


def _reached(root: Path) -> list[Path]:
    return sorted({path for module in MODULES for path in import_closure(module, root)})


def _renamed(path: Path, package: str) -> str:
    """Return the text of a module whose imports name `package` instead of this one."""
    return re.sub(
        rf"^(\s*(?:from|import) ){PACKAGE}\b",
        rf"\g<1>{package}",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )


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
        for module in _imported_modules([root / path for path in _reached(root)])
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
