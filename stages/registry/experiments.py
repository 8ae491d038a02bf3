"""Find, restore or create an experiment, whatever was done to it on MLflow's pages.

An experiment that is deleted there keeps its name, so that no other can have it, until `mlflow gc`
removes it. One that is renamed is found by a tag.
"""

import contextlib

from stages.engine.console import print_note
from stages.registry.client import Client
from stages.registry.entities import Experiment
from stages.registry.store import Store

TAG = "pneumonia.experiment"
"""The name under which an experiment was created."""


def find_experiment(client: Client, name: str) -> Experiment | None:
    """Return the experiment that was created as `name`, deleted or not; None for none."""
    from mlflow.entities import ViewType

    found = client.get_experiment_by_name(name)
    if found is not None:
        return found
    renamed = client.search_experiments(
        view_type=ViewType.ALL, filter_string=f"tags.`{TAG}` = '{name}'"
    )
    return next(iter(renamed), None)


def ensure_experiment(client: Client, store: Store, name: str, description: str) -> str:
    """Return the id of the experiment that was created as `name`.

    It is created if there is none. If it was deleted, it is restored with its runs, and a line on
    stderr says so.

    Args:
        client: Client of `store`.
        store: The tracking store.
        name: Its name.
        description: Markdown for MLflow's page of a new experiment.
    """
    from mlflow.exceptions import MlflowException

    found = find_experiment(client, name)
    if found is None:
        location = None if store.artifacts is None else f"{store.artifacts}/{name}"
        tags = {"mlflow.note.content": description, TAG: name}
        with contextlib.suppress(MlflowException):  # another client was faster
            return str(client.create_experiment(name, artifact_location=location, tags=tags))
        found = find_experiment(client, name)
        if found is None:
            raise RuntimeError(f"MLflow neither created the experiment {name} nor has it")
    if found.lifecycle_stage == "deleted":
        _restore(client, found)
    if TAG not in found.tags:  # created by an earlier version
        client.set_experiment_tag(found.experiment_id, TAG, name)
    return str(found.experiment_id)


def _restore(client: Client, experiment: Experiment) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.restore_experiment(experiment.experiment_id)
    except MlflowException:
        if client.get_experiment(experiment.experiment_id).lifecycle_stage == "deleted":
            raise
        return  # another client was faster
    print_note(
        f"registry: the experiment {experiment.name} was deleted in MLflow; it is restored with "
        "its runs"
    )
