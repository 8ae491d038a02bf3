"""Download the files of a version and check all of them, before anything is made of them."""

from dataclasses import dataclass
from pathlib import Path

from stages.engine.errors import InputError
from stages.registry.client import Client
from stages.registry.earlier_package import checked_copy
from stages.registry.entities import ModelVersion
from stages.registry.moves import PACKAGE_DIGEST, read_moves, recorded_package
from stages.registry.sealed_package import open_sealed
from stages.registry.signature import UntrustedVersionError


@dataclass(frozen=True)
class OpenedVersion:
    """A version whose files are whole and unchanged.

    Attributes:
        folder: Its files.
        digest: The package digest.
        sealed: Whether it lists its files itself (FORMAT 2).
    """

    folder: Path
    digest: str
    sealed: bool


def open_version(
    client: Client, name: str, version: ModelVersion, folder: Path, *, key: Path | None
) -> OpenedVersion:
    """Download a version and check its files against what the registry keeps of it.

    That is the digest that was recorded when an alias was moved to it, or else its tag.

    Args:
        client: Client of the store.
        name: Registered model.
        version: The version, with its tags.
        folder: Folder to create.
        key: File of the public keys one of which must have signed it; None asks for no signature.

    Raises:
        InputError: A file is missing or changed, or the version is not signed by a key of `key`.
    """
    number, model = str(version.version), version.tags.get("model_digest", "")
    tagged = version.tags.get(PACKAGE_DIGEST)
    expected = recorded_package(read_moves(client, name), number) or tagged
    try:
        files = download(name, number, folder)
        if tagged is not None:
            sealed = open_sealed(files, expected=expected, key=key)
            if sealed.model_digest != model:
                raise InputError(f"its files are those of the model {sealed.model_digest[:12]}")
            return OpenedVersion(files, sealed.digest, sealed=True)
        if key is not None:
            raise UntrustedVersionError(
                f"expected a signature by a key of {key}, found a version of an earlier format, "
                "which has none; train and register it again with this code"
            )
        copy = folder / "checked"
        return OpenedVersion(copy, checked_copy(files, copy, model=model, expected=expected), False)
    except InputError as error:
        problem = str(error).removeprefix(f"{folder}: ")
        raise type(error)(f"{name} version {number}: {problem}") from None


def download(name: str, number: str, folder: Path) -> Path:
    """Download the files of a version to a new folder, and return the folder that has them.

    Raises:
        InputError: They can't be downloaded.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    folder.mkdir()
    try:
        uri = f"models:/{name}/{number}"
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise InputError(f"its files can't be downloaded ({str(error).splitlines()[0]})") from None
