"""Find the first-party files that a module imports, directly or through others.

DVC does not see imports: the code dependencies of a stage in dvc.yaml, and the code part of a
run's digest, are this closure.
"""

import ast
import functools
from pathlib import Path
from typing import Any

from stages.engine.files import digest, sha256_file

PACKAGE = "stages"
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def import_closure(module: str, root: Path) -> list[Path]:
    """List the files that importing `module` can reach, sorted, relative to `root`.

    Imports inside functions count too, and so does each package's `__init__.py`.

    Raises:
        ValueError: `module` is not a first-party module under `root`, or a file imports by a
            relative name, which is not followed.
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
    """Return the SHA-256 of each file that any of `modules` reaches, by path from `root`."""
    paths = {path for module in modules for path in import_closure(module, root)}
    return {path.as_posix(): sha256_file(root / path) for path in sorted(paths)}


def meaning_digests(modules: list[str], root: Path) -> dict[str, str]:
    """`meaning_digest` of each file that any of `modules` reaches, by path relative to `root`."""
    paths = {path for module in modules for path in import_closure(module, root)}
    return {
        path.as_posix(): meaning_digest((root / path).read_text(encoding="utf-8"))
        for path in sorted(paths)
    }


@functools.cache
def meaning_digest(text: str) -> str:
    """SHA-256 of Python source as the interpreter sees it.

    Comments, blank lines, positions and docstrings are left out. Empty fields of the syntax tree
    are too, since versions of Python differ in which ones there are.
    """
    return digest(_meaning(ast.parse(text)))


def _meaning(node: Any) -> Any:
    if isinstance(node, list):
        return [_meaning(item) for item in node]
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__} {node!r}"
    fields = dict(ast.iter_fields(node))
    if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = fields["body"][1:]
    kept = {name: _meaning(value) for name, value in fields.items() if value not in (None, [])}
    return [type(node).__name__, kept]


def _imported_names(path: Path) -> list[str]:
    names = _names(path.read_text(encoding="utf-8"))
    if None in names:
        raise ValueError(f"{path}: expected absolute imports, found a relative one")
    return [name for name in names if name and name.split(".")[0] == PACKAGE]


@functools.cache  # several stages, and the trees of many experiments, hold the same files
def _names(text: str) -> tuple[str | None, ...]:
    """List the names that a file imports; None stands for a relative one."""
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
