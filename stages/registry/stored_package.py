"""Does MLflow still have the files of a version? They can be deleted behind the registry's back.

MLflow's pages can delete the stored model of a version, and `mlflow gc` or a clean-up of a disk its
files; the version stays and looks as before.
"""

import enum
import re
from collections.abc import Mapping
from pathlib import Path

from stages.engine.errors import InputError
from stages.registry.client import Client
from stages.registry.entities import ModelVersion
from stages.registry.mlflow_internals import tables
from stages.registry.record import Record
from stages.registry.sealed_package import open_sealed
from stages.registry.store import Store

REMEDY = (
    "`pneumonia sync` stores it again if git and DVC's cache still have its run (`dvc fetch "
    "--all-commits` gets them from a remote)"
)
_ARTIFACTS = "artifacts"
_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")


class State(enum.Enum):
    """What is left of a stored model."""

    COMPLETE = "complete"
    DAMAGED = "files are missing or changed"
    DELETED = "deleted"


def are_there(folder: Path, files: Mapping[str, int | None]) -> bool:
    """Return whether `folder` has each of `files`, by path, with its size where one is given."""
    try:
        sizes = {path: (folder / path).stat().st_size for path in files}
    except OSError:
        return False
    return all(size in (None, sizes[path]) for path, size in files.items())


def stored_model_id(version: ModelVersion) -> str | None:
    """Return the id of the stored model that a version was registered from; None for another."""
    found = re.fullmatch(r"models:/(m-[0-9a-f]+)", version.source or "")
    return found[1] if found else None


def state(
    client: Client, store: Store, model_id: str, record: Record, package_digest: str
) -> State:
    """Return what is left of a stored model.

    Of the embedded store every file is read; of a server the files of the model are listed.

    Args:
        client: Client of `store`.
        store: The tracking store.
        model_id: Id of the stored model.
        record: The files that it was made from.
        package_digest: Digest of its package.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        location = client.get_logged_model(model_id).artifact_location
    except MlflowException as error:
        if error.error_code not in _GONE:
            raise
        return State.DELETED
    if store.folder is not None:
        return State.COMPLETE if is_whole(tables.local(location), package_digest) else State.DAMAGED
    listed = mlflow.artifacts.list_artifacts(artifact_uri=f"{location}/{_ARTIFACTS}")
    sizes = {Path(item.path).name: item.file_size for item in listed}
    wanted = {path.name: path.stat().st_size for path in record.packaged}
    return State.COMPLETE if wanted.items() <= sizes.items() else State.DAMAGED


def is_whole(folder: Path, package_digest: str) -> bool:
    """Return whether `folder` has a package of this digest, every file as it was stored."""
    try:
        open_sealed(folder, expected=package_digest, key=None)
    except (InputError, OSError):
        return False
    return True


def is_loadable(name: str, version: str) -> bool:
    """Return whether the network of a version is stored."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        listed = mlflow.artifacts.list_artifacts(
            artifact_uri=f"models:/{name}/{version}/{_ARTIFACTS}"
        )
    except MlflowException as error:
        if error.error_code not in _GONE:
            raise
        return False
    return any(Path(item.path).suffix == ".keras" for item in listed)


def require_loadable(name: str, version: str) -> None:
    """Raise unless the network of a version is stored.

    Raises:
        InputError: Its files are gone.
    """
    if not is_loadable(name, version):
        raise InputError(
            f"{name} version {version}: expected its stored model, found that its files were "
            f"deleted from MLflow; {REMEDY}"
        )
