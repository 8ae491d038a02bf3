"""dvc.yaml: what DVC would run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.history.yaml_file import parse_mapping
from stages.settings import paths

PATH = Path("dvc.yaml")


@dataclass(frozen=True)
class PlannedStage:
    """One stage of dvc.yaml. params: dotted keys by file. deps, outs: paths."""

    command: str
    params: Mapping[str, frozenset[str]]
    deps: frozenset[str]
    outs: frozenset[str]


def read_plan(path: Path = PATH) -> dict[str, PlannedStage]:
    """Return the stages of a dvc.yaml by name.

    Raises:
        InputError: The file is not a dvc.yaml of this pipeline.
        FileNotFoundError: There is no such file.
    """
    tree = parse_mapping(path.read_text(encoding="utf-8"), path.name)
    try:
        return {name: _planned(stage) for name, stage in tree["stages"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path.name}: expected stages with cmd, deps, params and outs, received something "
            f"else ({error!r}); restore it by `git checkout {path.name}`"
        ) from None


def _planned(stage: Mapping[str, Any]) -> PlannedStage:
    outs = [*stage.get("outs", ()), *stage.get("metrics", ()), *stage.get("plots", ())]
    return PlannedStage(
        command=str(stage["cmd"]),
        params=_params(stage.get("params", ())),
        deps=frozenset(stage.get("deps", ())),
        # An out with options is a mapping from its path to them.
        outs=frozenset(out if isinstance(out, str) else next(iter(out)) for out in outs),
    )


def _params(entries: Iterable[str | Mapping[str, Iterable[str]]]) -> dict[str, frozenset[str]]:
    """A key of params.yaml is a text; those of another file are a mapping from its path."""
    found: dict[str, frozenset[str]] = {}
    for entry in entries:
        by_file = {paths.PARAMS.as_posix(): [entry]} if isinstance(entry, str) else entry
        for file, keys in by_file.items():
            found[file] = found.get(file, frozenset()) | frozenset(keys)
    return found
