"""Store the package of a release as one of MLflow's stored models, from which a version is made."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.registry import moves, packaging, stored_package
from stages.registry.client import Client
from stages.registry.release import Release
from stages.registry.store import Store
from stages.registry.stored_package import State


@dataclass(frozen=True)
class Package:
    """A package that is to be stored: its folder and its digest."""

    folder: Path
    digest: str


@contextlib.contextmanager
def packed(release: Release) -> Iterator[Package]:
    """Package a release in a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        digest = packaging.save(folder, release.record, root=release.root, lock=release.lock)
        yield Package(folder, digest)


def stored_model(
    client: Client, store: Store, release: Release, run_id: str, package: Package
) -> str:
    """Return the stored model of a package, uploaded if needed."""
    from mlflow.entities import LoggedModelOutput

    tags = {"model_digest": release.record.model, moves.PACKAGE_DIGEST: package.digest}
    experiment_id = client.get_run(run_id).info.experiment_id
    wanted = f"tags.{moves.PACKAGE_DIGEST} = '{package.digest}'"
    for stored in client.search_logged_models([experiment_id], filter_string=wanted):
        if str(stored.status) == "READY":  # the upload of any other was interrupted
            found = (client, store, stored.model_id, release.record, package.digest)
            if stored_package.state(*found) is not State.COMPLETE:
                client.log_model_artifacts(stored.model_id, str(package.folder))
            if stored_package.state(*found) is State.COMPLETE:
                return stored.model_id
    model = client.create_logged_model(
        experiment_id,
        name=release.name,
        source_run_id=run_id,
        model_type="classifier",
        tags=tags,
    )
    client.log_model_artifacts(model.model_id, str(package.folder))
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, "READY")
    return model.model_id
