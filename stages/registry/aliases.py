"""The aliases of a registered model, and who may move them.

`candidate` is the newest model that passed its floors outside an experiment; `champion` is
the one that answers, and moves only by `promote`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError

CANDIDATE = "candidate"
CHAMPION = "champion"


def in_experiment(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process serves a DVC experiment, which never moves an alias."""
    return (
        "DVC_EXP_NAME" in environment
        or "DVC_EXP_BASELINE_REV" in environment
        or ".dvc/tmp/exps" in Path.cwd().as_posix()
    )


def alias_of(client: Any, name: str, alias: str) -> str | None:
    """The version that `alias` of the model `name` points at, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None  # no such model, or no such alias of it
        raise


def point(client: Any, name: str, alias: str, version: str) -> str | None:
    """Have `alias` point at `version`; the version that it pointed at before, or None."""
    before = alias_of(client, name, alias)
    if before != version:
        client.set_registered_model_alias(name, alias, version)
    return before


@dataclass(frozen=True)
class Promotion:
    """A move of `champion`: to which version of which model, from which (None: the first)."""

    name: str
    version: str
    before: str | None
    reasons: str

    def __str__(self) -> str:
        come_from = "the first" if self.before is None else f"before: version {self.before}"
        return f"{self.reasons}\n{self.name}: champion is now version {self.version} ({come_from})"


def promote(client: Any, name: str, version: str | None = None) -> Promotion:
    """Move `champion` to `version` (default: the candidate), if it passed its floors.

    Raises InputError with the reasons where it may not be promoted, or is not there.
    """
    from mlflow.exceptions import MlflowException

    number = version or alias_of(client, name, CANDIDATE)
    if number is None:
        raise InputError(
            f"{name}: expected a candidate, found none: no model has passed the floors in "
            "params.yaml (register.floors) outside an experiment; see data/release.json, or "
            "name a version"
        )
    try:
        tags = client.get_model_version(name, number).tags
    except MlflowException:
        raise InputError(
            f"{name}: expected a version, received {number!r}, which is not in the registry; "
            "`pneumonia ui` shows the versions"
        ) from None
    reasons = tags.get("floors_reasons", "FAIL  no verdict is kept with this version")
    if tags.get("floors") != "passed":
        raise InputError(f"{name} version {number} stays where it is: floors\n{reasons}")
    if tags.get("pinned") != "yes":
        raise InputError(
            f"{name} version {number} stays where it is: it was trained on data without a "
            "checksum; set fetch.sha256 in params.yaml and run `dvc repro`"
        )
    return Promotion(name, number, point(client, name, CHAMPION, number), reasons)
