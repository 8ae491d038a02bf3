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
from stages.registry.record import Record
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
    DAMAGED = "files are missing"
    DELETED = "deleted"


def package_files(record: Record) -> dict[str, int | None]:
    """Return the files without which a package does not load, with their sizes where known."""
    return {
        "MLmodel": None,
        "pyfunc_model.py": None,
        f"{_ARTIFACTS}/facts.json": None,
        f"{_ARTIFACTS}/{record.model_file.name}": record.model_file.stat().st_size,
        f"{_ARTIFACTS}/{record.operating_point.name}": record.operating_point.stat().st_size,
    }


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


def state(client: Client, store: Store, model_id: str, record: Record) -> State:
    """Return what is left of a stored model.

    Of a server only the folder with the network is listed; of the embedded store every folder.

    Args:
        client: Client of `store`.
        store: The tracking store.
        model_id: Id of the stored model.
        record: The files that it was made from.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    expected = package_files(record)
    folders = {path.rpartition("/")[0] for path in expected}
    if store.is_server:
        folders = {_ARTIFACTS}
    try:
        location = client.get_logged_model(model_id).artifact_location
    except MlflowException as error:
        if error.error_code not in _GONE:
            raise
        return State.DELETED
    sizes = {
        f"{folder}/{item.path.rpartition('/')[2]}".lstrip("/"): item.file_size
        for folder in folders
        for item in mlflow.artifacts.list_artifacts(artifact_uri=f"{location}/{folder}")
    }
    wanted = {path: size for path, size in expected.items() if path.rpartition("/")[0] in folders}
    whole = all(path in sizes and size in (None, sizes[path]) for path, size in wanted.items())
    return State.COMPLETE if whole else State.DAMAGED


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
