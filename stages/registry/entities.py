"""What is read of the objects that MLflow's client returns, since MLflow is untyped for mypy."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item", covariant=True)


class Experiment(Protocol):
    """A group of runs."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: Mapping[str, str]


class RunInfo(Protocol):
    """Name and state of a run; times are in milliseconds since the epoch."""

    run_id: str
    run_name: str
    experiment_id: str
    status: str
    lifecycle_stage: str
    start_time: int
    end_time: int | None


class RunData(Protocol):
    """What was logged to a run; of each metric the last value."""

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]


class RunInputs(Protocol):
    """Data sets of a run (MLflow's `DatasetInput`)."""

    dataset_inputs: Sequence[Any]


class Run(Protocol):
    """One run."""

    info: RunInfo
    data: RunData
    inputs: RunInputs


class MetricPoint(Protocol):
    """One value of a metric."""

    step: int
    value: float


class Artifact(Protocol):
    """A file or folder of a run; `path` is relative to the run's artifacts."""

    path: str
    file_size: int | None


class RegisteredModel(Protocol):
    """A registered model; `aliases` maps each alias to a version."""

    name: str
    description: str | None
    tags: Mapping[str, str]
    aliases: Mapping[str, str | int]


class ModelVersion(Protocol):
    """A version; MLflow gives its number as text over HTTP and as int over SQLite."""

    name: str
    version: str | int
    source: str | None
    run_id: str | None
    description: str | None
    tags: Mapping[str, str]
    aliases: Sequence[str]


class LoggedModel(Protocol):
    """A stored model before it becomes a version."""

    model_id: str
    status: object
    artifact_location: str


class Page(Protocol[Item]):
    """A page of search results; `token` names the next one."""

    token: str | None

    def __iter__(self) -> Iterator[Item]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Item: ...
