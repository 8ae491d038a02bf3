"""What a Python file imports and what it means, remembered by its content.

Parsing the hundred files that a run's digest depends on takes longer than everything else that a
confirmed `dvc repro` does. The memory lies in .cache/code.json; a damaged one is as good as none.
"""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, sha256_bytes, write_json
from stages.engine.root import project_root

_FORMAT = 2
"""Part of what is remembered: raise it when `imported_names` or `meaning_digest` change."""


@dataclass(frozen=True)
class SourceFacts:
    """A file's `imports` (None stands for a relative one) and the digest of its `meaning`."""

    imports: tuple[str | None, ...]
    meaning: str


class Memory:
    """Facts of files by the SHA-256 of their bytes, kept in the JSON file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        self._facts: dict[str, SourceFacts] = {}
        try:
            kept = read_json(path) if path.exists() else {}
            if kept.get("format") == _FORMAT:
                self._facts = {
                    name: SourceFacts(tuple(imports), meaning)
                    for name, (imports, meaning) in kept["files"].items()
                }
        except (InputError, AttributeError, KeyError, TypeError, ValueError, OSError):
            self._facts = {}

    def of(self, path: Path) -> SourceFacts:
        """The facts of the file at `path`. SyntaxError where it is not Python."""
        data = path.read_bytes()
        name = sha256_bytes(data)
        if name not in self._facts:
            text = data.decode()
            self._facts[name] = SourceFacts(imported_names(text), meaning_digest(text))
            self._changed = True
        return self._facts[name]

    def save(self) -> None:
        """Write what was learned since it was read."""
        if self._changed:
            files = {
                name: [list(facts.imports), facts.meaning] for name, facts in self._facts.items()
            }
            write_json(self._path, {"format": _FORMAT, "files": files})
            self._changed = False


@functools.cache
def memory() -> Memory:
    """The memory of this repository, read once per process."""
    return Memory(project_root() / ".cache/code.json")


def imported_names(text: str) -> tuple[str | None, ...]:
    """The modules and names that Python source imports; None for a relative import."""
    names: list[str | None] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from stages.images import shards` names a module; `from ... import name` does not.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            names += [None] * bool(node.level)
    return tuple(dict.fromkeys(names))


def meaning_digest(text: str) -> str:
    """SHA-256 of Python source as the interpreter sees it.

    Comments, blank lines, positions and docstrings, those of attributes included, are left out.
    Empty fields of the syntax tree are too, since versions of Python differ in which there are.
    """
    return digest(_meaning(ast.parse(text)))


def _meaning(node: Any) -> Any:
    if isinstance(node, list):
        return [_meaning(item) for item in node if not _is_docstring(item)]
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__} {node!r}"
    fields = {name: value for name, value in ast.iter_fields(node) if value is not None}
    kept = {name: _meaning(value) for name, value in fields.items()}
    return [type(node).__name__, {name: value for name, value in kept.items() if value != []}]


def _is_docstring(node: Any) -> bool:
    """Whether a statement is nothing but a text."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
