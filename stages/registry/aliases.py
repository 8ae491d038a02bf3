"""The aliases of a registered model, and who may move them.

`candidate` is the newest model that passed its floors outside an experiment; `champion` is
the one that answers, and moves only by `promote` and `rollback`. Each move is on record
(history.py).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
