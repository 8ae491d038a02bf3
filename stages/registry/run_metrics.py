"""Metrics of a run: learning curves under `learning/`, and a few figures for each role."""

from collections.abc import Sequence, Set

from stages.engine.files import DECIMALS
from stages.metrics.pages.titles import CHARTED
from stages.metrics.refusal_keys import REFUSALS
from stages.metrics.trees import RoleFigures, find_figure
from stages.registry.client import Client
from stages.registry.record import Row

LEARNING = "learning/"
_PER_BATCH = 1000
"""Metrics that MLflow accepts in one call."""


def charted(figures: RoleFigures) -> dict[str, float]:
    """Return the CHARTED figures of each role as metrics, without intervals, by "role/name".

    And the share of its images that is refused, as "role/refused".
    """
    charts = {name: (name,) for name in CHARTED} | {"refused": (REFUSALS, "share")}
    return {
        f"{role}/{name}": figure["value"]
        for role, tree in figures.items()
        for name, keys in charts.items()
        if (figure := find_figure(tree, *keys)) is not None
    }


def logged_epochs(client: Client, run_id: str) -> set[tuple[str, int]]:
    """Return the column and epoch of every point that the run has under `learning/`."""
    return {
        (key.removeprefix(LEARNING), point.step)
        for key in client.get_run(run_id).data.metrics
        if key.startswith(LEARNING)
        for point in client.get_metric_history(run_id, key)
    }


def log_epochs(
    client: Client,
    run_id: str,
    epochs: Sequence[Row],
    *,
    logged: Set[tuple[str, int]],
    timestamp: int,
) -> None:
    """Log the numbers of each epoch under `learning/`, without those that are `logged`.

    Values are rounded to the decimals of history.csv, so that a run looks the same whether its
    epochs were logged during training or from the files.

    Args:
        client: Client of the store.
        run_id: The run.
        epochs: Rows of history.csv.
        logged: What `logged_epochs` returned.
        timestamp: In milliseconds; the start of the run if the epochs come from the files.
    """
    from mlflow.entities import Metric

    metrics = [
        Metric(f"{LEARNING}{key}", round(value, DECIMALS), timestamp, int(row["epoch"]))
        for row in epochs
        for key, value in row.items()
        if key != "epoch" and (key, int(row["epoch"])) not in logged
    ]
    _log_metrics(client, run_id, metrics)


def log_figures(client: Client, run_id: str, figures: RoleFigures) -> None:
    """Log the figures that MLflow draws a chart of and that the run does not have yet.

    Args:
        client: Client of the store.
        run_id: The run.
        figures: By role, {"val": {"auroc": {"value", "low", "high"}}}.
    """
    from mlflow.entities import Metric

    run = client.get_run(run_id)
    present = run.data.metrics
    # With the run's start as time, two clients that log at once add one point and not two.
    timestamp = run.info.start_time
    metrics = [
        Metric(key, value, timestamp, 0)
        for key, value in charted(figures).items()
        if present.get(key) != value
    ]
    _log_metrics(client, run_id, metrics)


def _log_metrics(client: Client, run_id: str, metrics: Sequence[object]) -> None:
    for start in range(0, len(metrics), _PER_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _PER_BATCH])
