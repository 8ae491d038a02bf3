"""Which first-party files a module reaches by its imports.

DVC does not see imports: a stage's code deps in dvc.yaml, and the code part of a run's
digest, are this closure.
"""

import ast
import functools
from pathlib import Path

from stages.engine.files import sha256_file

PACKAGE = "stages"


def import_closure(module: str, root: Path) -> list[Path]:
    """The files under `root` that importing `module` can reach, sorted, relative to `root`.

    Imports inside functions count as well, and so do the `__init__.py` on the way.

    Raises ValueError where `module` is not a first-party module under `root`, or where a file
    imports by a relative name, which is not followed.
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
        for name in _imported_names(path):
            found = _file_of(name, root)
            if found is not None:
                waiting += [found, *_packages_above(name, root)]
    return sorted(path.relative_to(root) for path in reached)


def code_digests(modules: list[str], root: Path) -> dict[str, str]:
    """SHA-256 of each file that any of `modules` reaches, by its path relative to `root`."""
    paths = {path for module in modules for path in import_closure(module, root)}
    return {path.as_posix(): sha256_file(root / path) for path in sorted(paths)}


def _imported_names(path: Path) -> list[str]:
    names = _names(path.read_text(encoding="utf-8"))
    if None in names:
        raise ValueError(f"{path}: expected absolute imports, found a relative one")
    return [name for name in names if name and name.split(".")[0] == PACKAGE]


@functools.cache  # several stages, and the trees of many experiments, hold the same files
def _names(text: str) -> tuple[str | None, ...]:
    """What a file imports; None for a relative name."""
    names: list[str | None] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from stages.images import shards` names a module; `from ... import name` does not.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            names += [None] * bool(node.level)
    return tuple(names)


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
