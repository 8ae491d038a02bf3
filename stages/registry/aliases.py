"""The aliases of a registered model.

`candidate` is the newest version that reached its floors outside an experiment. `champion` is the
version that answers, and moves only by `promote` and `rollback`. Every move is recorded
(moves.py).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from stages.registry.client import Client

CANDIDATE = "candidate"
CHAMPION = "champion"


def in_experiment(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process belongs to a DVC experiment, which never moves an alias."""
    return (
        "DVC_EXP_NAME" in environment
        or "DVC_EXP_BASELINE_REV" in environment
        or ".dvc/tmp/exps" in Path.cwd().as_posix()
    )


def alias_version(client: Client, name: str, alias: str) -> str | None:
    """Return the version that `alias` of the model `name` points at, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None  # no such model, or the model has no such alias
        raise


def alias_versions(client: Client, name: str) -> dict[str, str]:
    """Return the version of each alias; empty if there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    return {alias: str(version) for alias, version in model.aliases.items()}
