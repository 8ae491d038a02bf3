"""Versions of the registered model: one per model digest."""

import tempfile
from pathlib import Path
from typing import Any

from stages.registry import packaging, views
from stages.registry.note import GATE, Note
from stages.registry.record import NOT_RECORDED, Record, plain
from stages.registry.store import Store, locked


def register(
    client: Any, store: Store, record: Record, told: Note, *,
    name: str, run_id: str, root: Path, lock: Path, renew: bool,
) -> str:  # fmt: skip
    """The version of `record`'s model under `name`, made where there is none, with its note.

    renew: whether a version that has a note already gets this one in its place.
    """
    with locked(store):
        views.keep(client, client.get_run(run_id).info.experiment_id)
        _ensure_model(client, name, record)
        version = find(client, name, record.model)
        if version is None:
            model_id = _logged_model(client, name, record, run_id=run_id, root=root, lock=lock)
            made = client.create_model_version(
                name, f"models:/{model_id}", run_id=run_id, model_id=model_id,
                tags={"git_commit": NOT_RECORDED, **told.tags},
            )  # fmt: skip
            version = find(client, name, record.model) or made
            if int(version.version) != int(made.version):  # another client was faster
                client.delete_model_version(name, str(made.version))
    number = str(version.version)
    shown = version.tags.get("shown")
    if shown is None or (renew and shown != told.shown):
        for key, value in {"git_commit": version.tags.get("git_commit", NOT_RECORDED),
                           **told.tags}.items():  # fmt: skip
            if version.tags.get(key) != value:
                client.set_model_version_tag(name, number, key, value)
        gate = (version.description or "").partition(GATE)[1:]
        client.update_model_version(name, number, told.description.rstrip() + "".join(gate))
        client.set_model_version_tag(name, number, "shown", told.shown)
    return number


def find(client: Any, name: str, model_digest: str) -> Any | None:
    """The oldest version of `name` with this model digest, with its tags, or None."""
    found = client.search_model_versions(
        f"name = '{name}' and tags.model_digest = '{model_digest}'"
    )
    oldest = min(found, key=lambda version: int(version.version), default=None)
    # A search does not fill in what a single look does (aliases, over some stores tags).
    return oldest and client.get_model_version(name, str(oldest.version))


def _ensure_model(client: Any, name: str, record: Record) -> None:
    from mlflow.exceptions import MlflowException

    source = record.identity.source
    told = (
        f"Detects pneumonia in chest X-rays; learned from {source['name']} {source['version']}. "
        + ("Synthetic images: these versions say nothing about patients. "
           if record.identity.synthetic else "")
        + "Takes the bytes of image files. Alias `champion` answers, `candidate` waits for the "
        "gate. Move aliases by `pneumonia promote` and `pneumonia rollback`: what is moved on "
        "these pages, by a pencil or by the button Promote model, is not asked by the gate."
    )  # fmt: skip
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        tags = {"source": str(source["name"]),
                "synthetic": plain(record.identity.synthetic)}  # fmt: skip
        try:
            client.create_registered_model(name, tags=tags, description=told)
        except MlflowException as race:
            if race.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _logged_model(
    client: Any, name: str, record: Record, *, run_id: str, root: Path, lock: Path
) -> str:
    """Id of the stored model with this digest, packaged and uploaded where there is none."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    experiment = client.get_run(run_id).info.experiment_id
    for model in client.search_logged_models(
        [experiment], filter_string=f"tags.model_digest = '{record.model}'"
    ):
        if str(model.status) == "READY":  # any other was left half-way
            return str(model.model_id)
    model = client.create_logged_model(
        experiment, name=name, source_run_id=run_id, model_type="classifier",
        tags={"model_digest": record.model},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        address = Model(
            artifact_path=model.artifact_location, model_uuid=model.model_id,
            run_id=run_id, model_id=model.model_id,
        )  # fmt: skip
        packaging.save(folder, record, root=root, lock=lock, mlflow_model=address)
        client.log_model_artifacts(model.model_id, str(folder))
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)
