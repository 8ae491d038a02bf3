"""Which first-party files a module reaches by its imports.

DVC does not see imports: a stage's code dependencies in dvc.yaml, and the code part of a run's
digest, are this closure.
"""

from collections.abc import Iterable
from pathlib import Path

from stages.engine.files import sha256_file
from stages.engine.source_facts import memory

PACKAGE = "stages"


def import_closure(module: str, root: Path) -> list[Path]:
    """List the files that importing a module can reach.

    Imports inside functions count as well, and so do the `__init__.py` on the way.

    Args:
        module: Dotted name of a first-party module.
        root: Folder that holds the package.

    Returns:
        Paths relative to `root`, sorted.

    Raises:
        ValueError: `module` is not a first-party module, or a file imports by a relative name,
            which is not followed.
    """
    start = _file_of(module, root)
    if start is None:
        raise ValueError(f"{module}: no such module under {root}")
    reached: set[Path] = set()
    waiting = [start, *_packages_above(module, root)]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for name in _first_party_imports(path):
            found = _file_of(name, root)
            if found is not None:
                waiting += [found, *_packages_above(name, root)]
    memory().save()
    return sorted(path.relative_to(root) for path in reached)


def code_digests(modules: Iterable[str], root: Path) -> dict[str, str]:
    """SHA-256 of each file that any of `modules` reaches, by its path relative to `root`."""
    return {path.as_posix(): sha256_file(root / path) for path in _reached(modules, root)}


def meaning_digests(modules: Iterable[str], root: Path) -> dict[str, str]:
    """Digest of what each file means that any of `modules` reaches, by path relative to `root`.

    Comments, positions and docstrings mean nothing (`source_facts.meaning_digest`).
    """
    return {path.as_posix(): memory().of(root / path).meaning for path in _reached(modules, root)}


def _reached(modules: Iterable[str], root: Path) -> list[Path]:
    return sorted({path for module in modules for path in import_closure(module, root)})


def _first_party_imports(path: Path) -> list[str]:
    names = memory().of(path).imports
    if None in names:
        raise ValueError(f"{path}: expected absolute imports, found a relative one")
    return [name for name in names if name and name.split(".")[0] == PACKAGE]


def _file_of(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _packages_above(module: str, root: Path) -> list[Path]:
    parts = module.split(".")
    above = [root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts))]
    return [path for path in above if path.is_file()]
