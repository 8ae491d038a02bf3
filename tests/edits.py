"""Make an edit in a copy of a finished repository, and measure what a command then does."""

import ast
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Set
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.workspace import Workspace

Edit = Callable[[Workspace], object]


@dataclass(frozen=True)
class Effect:
    """What one command did in a repository.

    Attributes:
        stages: names of the stages that ran, in order.
        steps: optimisation steps of training; 0 where it resumed a finished training.
        changed: files that git tracks, or would track, and that the command changed.
        new_runs: run digests in the embedded MLflow store that were not known before.
        new_versions: model digests of versions there that were not known before.
    """

    stages: tuple[str, ...]
    steps: int
    changed: tuple[str, ...]
    new_runs: int
    new_versions: int


def measure(workspace: Workspace, *command: str, known: Set[str]) -> Effect:
    """Run `command` in a repository where all edits are committed, and report what it did.

    Args:
        workspace: The repository.
        command: The command.
        known: The digests of the runs and versions of before.
    """
    output = workspace.run(*command).stdout
    status = workspace.run("git", "status", "--porcelain", "--untracked-files=all").stdout
    return Effect(
        stages=tuple(re.findall(r"^Running stage '(\w+)'", output, flags=re.MULTILINE)),
        steps=_count_epochs(output) * steps_per_epoch(workspace),
        changed=tuple(sorted(line[3:] for line in status.splitlines())),
        new_runs=len(run_digests(workspace) - known),
        new_versions=len(version_digests(workspace) - known),
    )


def run_digests(workspace: Workspace) -> set[str]:
    """The digests of all runs in the embedded store, read without importing MLflow."""
    return _values(workspace, "SELECT value FROM tags WHERE key = 'run_digest'")


def version_digests(workspace: Workspace) -> set[str]:
    """The model digests of all versions in the embedded store."""
    return _values(workspace, "SELECT value FROM model_version_tags WHERE key = 'model_digest'")


def _values(workspace: Workspace, query: str) -> set[str]:
    database = workspace.folder / "mlruns/mlflow.db"
    if not database.exists():
        return set()
    with closing(sqlite3.connect(database)) as connection:
        return {value for (value,) in connection.execute(query).fetchall()}


def steps_per_epoch(workspace: Workspace) -> int:
    """Full batches in the training role; an incomplete last batch is dropped."""
    counts = json.loads(workspace.text("data/shards/manifest.json"))["counts"]["train"]
    batch: int = yaml.safe_load(workspace.text("params.yaml"))["train"]["batch"]
    return int(counts["negative"] + counts["positive"]) // batch


def _count_epochs(output: str) -> int:
    # Training prints one such line for each epoch that it ran itself, none for resumed ones.
    return len(re.findall(r"^epoch \d+/\d+  loss ", output, flags=re.MULTILINE))


def copy_with_neighbours(workspace: Workspace, folder: Path) -> Workspace:
    """Copy the folder that a repository lies in: the repository, its remote and its archive."""
    shutil.copytree(workspace.folder.parent, folder, symlinks=True)
    return Workspace(folder / workspace.folder.name)


def clone_and_pull(workspace: Workspace) -> Workspace:
    """Clone a repository beside itself, pull its data, and delete the original."""
    clone = Workspace(workspace.folder.with_name("clone"))
    workspace.run("git", "clone", "--quiet", ".", str(clone.folder))
    clone.run("git", "config", "user.name", "test")
    clone.run("git", "config", "user.email", "test@example.org")
    shutil.rmtree(workspace.folder)
    clone.run("dvc", "pull")
    return clone


def replace(path: str, pattern: str, by: str) -> Edit:
    """An edit that replaces the first match of the regular expression `pattern` in a file."""

    def edit(workspace: Workspace) -> None:
        old = workspace.text(path)
        new, count = re.subn(pattern, lambda _: by, old, count=1, flags=re.MULTILINE)
        assert count == 1, f"{path}: expected a match of {pattern!r}, found none"
        assert new != old, f"{path}: the edit changes nothing"
        (workspace.folder / path).write_text(new, encoding="utf-8")

    return edit


def comment(path: str) -> Edit:
    """An edit that puts a comment above all code of a file, so that every line moves."""
    return replace(path, r"\A", "# A comment.\n")


def append(path: str, text: str) -> Edit:
    """An edit that adds text to the end of a file, or writes a new one."""

    def edit(workspace: Workspace) -> None:
        file = workspace.folder / path
        with file.open("a", encoding="utf-8") as handle:
            handle.write(text)

    return edit


def add_import(path: str, line: str) -> Edit:
    """An edit that adds an import below the docstring of a module."""

    def edit(workspace: Workspace) -> None:
        text = workspace.text(path)
        end = ast.parse(text).body[0].end_lineno
        lines = text.splitlines(keepends=True)
        (workspace.folder / path).write_text(
            "".join([*lines[:end], f"\n{line}\n", *lines[end:]]), encoding="utf-8"
        )

    return edit


def set_params(**values: object) -> Edit:
    """An edit of params.yaml; a double underscore in a name stands for the dot of a key."""
    return lambda workspace: workspace.params(
        {name.replace("__", "."): value for name, value in values.items()}
    )


def all_of(*edits: Edit) -> Edit:
    """Several edits, one after the other."""

    def edit(workspace: Workspace) -> None:
        for each in edits:
            each(workspace)

    return edit
