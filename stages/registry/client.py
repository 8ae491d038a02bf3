"""The methods of `mlflow.MlflowClient` that are used here, since MLflow is untyped for mypy.

A test compares their parameters with those of the installed client.
"""

from collections.abc import Sequence
from typing import Protocol

from stages.registry.entities import (
    Artifact,
    Experiment,
    LoggedModel,
    MetricPoint,
    ModelVersion,
    Page,
    RegisteredModel,
    Run,
)


class Client(Protocol):
    """`mlflow.MlflowClient`, method by method as its own documentation describes them."""

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Create an experiment and return its id."""

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return the experiment with this id."""

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return the experiment with this name, or None."""

    def search_experiments(
        self, *, view_type: int = 1, max_results: int = 1000, filter_string: str | None = None
    ) -> Page[Experiment]:
        """Return the experiments that match, by default (`ViewType.ACTIVE_ONLY`) active ones."""

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted."""

    def restore_experiment(self, experiment_id: str) -> None:
        """Restore a deleted experiment and all its runs."""

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an experiment."""

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: dict[str, str] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Create a run that is in progress."""

    def get_run(self, run_id: str) -> Run:
        """Return the run with this id."""

    def search_runs(
        self,
        experiment_ids: list[str],
        filter_string: str = "",
        *,
        run_view_type: int = 1,
        max_results: int = 1000,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Run]:
        """Return a page of the runs that match, by default (`ViewType.ACTIVE_ONLY`) active ones."""

    def update_run(self, run_id: str, status: str | None = None) -> None:
        """Change the status of a run."""

    def set_terminated(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """End a run."""

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted."""

    def restore_run(self, run_id: str) -> None:
        """Restore a deleted run."""

    def set_tag(self, run_id: str, key: str, value: str) -> object:
        """Set a tag of a run."""

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: float,
        timestamp: int | None = None,
        step: int | None = None,
    ) -> object:
        """Log one value of a metric."""

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[object] = (),
        params: Sequence[object] = (),
        tags: Sequence[object] = (),
    ) -> object:
        """Log up to 1,000 metrics, 100 params and 100 tags at once."""

    def get_metric_history(self, run_id: str, key: str) -> Sequence[MetricPoint]:
        """Return every logged value of a metric."""

    def log_inputs(self, run_id: str, datasets: Sequence[object] | None = None) -> None:
        """Add data sets to a run."""

    def log_outputs(self, run_id: str, models: list[object]) -> None:
        """Add logged models to a run."""

    def log_dict(self, run_id: str, dictionary: dict[str, object], artifact_file: str) -> None:
        """Upload a mapping as a JSON file."""

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Upload a text file."""

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Upload a file into the folder `artifact_path`."""

    def list_artifacts(self, run_id: str, path: str | None = None) -> Sequence[Artifact]:
        """Return the files and folders directly in `path`."""

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        """Download a file or folder and return its local path."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Create a stored model whose upload is still to come."""

    def search_logged_models(
        self, experiment_ids: list[str], filter_string: str | None = None
    ) -> Page[LoggedModel]:
        """Return the stored models that match."""

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return the stored model with this id, unless it is deleted."""

    def delete_logged_model(self, model_id: str) -> None:
        """Mark a stored model as deleted."""

    def log_model_artifacts(self, model_id: str, local_dir: str) -> None:
        """Upload the files of a stored model."""

    def finalize_logged_model(self, model_id: str, status: str) -> LoggedModel:
        """Set the final status of a stored model, such as "READY"."""

    def create_registered_model(
        self, name: str, tags: dict[str, str] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Create a registered model that has no version."""

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return the registered model with this name."""

    def update_registered_model(self, name: str, description: str | None = None) -> RegisteredModel:
        """Replace the description of a registered model."""

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of a registered model."""

    def search_registered_models(self, filter_string: str | None = None) -> Page[RegisteredModel]:
        """Return the registered models that match."""

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version."""

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: dict[str, str] | None = None,
        *,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Register a stored model as a new version."""

    def get_model_version(self, name: str, version: str) -> ModelVersion:
        """Return a version with its tags and aliases."""

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias points at."""

    def search_model_versions(self, filter_string: str | None = None) -> Page[ModelVersion]:
        """Return the versions that match, possibly without aliases and tags."""

    def update_model_version(
        self, name: str, version: str, description: str | None = None
    ) -> ModelVersion:
        """Replace a version's description."""

    def delete_model_version(self, name: str, version: str) -> None:
        """Delete a version."""

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Remove a tag of a version."""
