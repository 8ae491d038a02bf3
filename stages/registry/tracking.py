"""One run per run digest in the tracking store, made whole from the files.

A run is begun by whoever comes first (training, live, or `register`) and is complete once its
tag `complete` names the view that its files give. An incomplete run is completed, never
doubled.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from stages.engine.files import digest
from stages.registry.note import described, headline
from stages.registry.record import (
    NOT_RECORDED,
    Identity,
    Record,
    Row,
    circumstance,
    flatten,
    flatten_figures,
    plain,
)
from stages.registry.store import Store, locked

_PER_BATCH = 1000  # metrics that MLflow takes in one call; of params and tags it takes 100


def show(client: Any, store: Store, stem: str, record: Record, journal: Mapping[str, Any]) -> str:
    """Have the store show `record` whole; the id of its run.

    stem: of the experiment's name. journal: circumstances by stage, empty where none were kept.
    """
    run = begin(client, store, stem, record.identity, journal)
    run_id = str(run.info.run_id)
    told = digest(dict(journal)) if journal else run.data.tags.get("circumstances", NOT_RECORDED)
    if run.data.tags.get("circumstances") != told:
        client.log_dict(run_id, dict(journal) or {"journal": NOT_RECORDED}, "circumstances.json")
        client.set_tag(run_id, "circumstances", told)
    if run.data.tags.get("complete") == record.view:
        return run_id
    log_epochs(client, run_id, record.epochs)
    log_figures(client, run_id, record.figures)
    for shown, path in record.files.items():
        client.log_artifact(run_id, str(path), shown.rpartition("/")[0])
    client.set_tag(run_id, "model_digest", record.model)
    client.set_tag(run_id, "mlflow.note.content", f"{headline(record)}\n\n{described(record)}")
    client.set_terminated(run_id, "FINISHED")
    client.set_tag(run_id, "complete", record.view)  # last: all of it is there
    return run_id


def begin(
    client: Any, store: Store, stem: str, identity: Identity, journal: Mapping[str, Any]
) -> Any:
    """The run of `identity` with its params, tags and data set, made where there is none."""
    with locked(store):
        experiment = _experiment(client, store, identity, stem)
        run = find(client, experiment, identity.run)
        if run is None:
            tags = {"run_digest": identity.run}
            client.create_run(experiment, run_name=_run_name(identity, journal), tags=tags)
            # Over a server nothing locks: of two that were made at once, all keep the first.
            run = find(client, experiment, identity.run)
    _describe(client, run, identity, journal)
    return run


def find(client: Any, experiment: str, run_digest: str) -> Any | None:
    """The oldest run with this digest, or None."""
    runs = client.search_runs(
        [experiment],
        filter_string=f"tags.run_digest = '{run_digest}'",
        order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
        max_results=1,
    )
    return runs[0] if runs else None


def log_epochs(client: Any, run_id: str, epochs: tuple[Row, ...]) -> None:
    """Log each epoch's numbers that the run does not have yet, under `training/`."""
    from mlflow.entities import Metric

    keys = sorted({key for row in epochs for key in row} - {"epoch"})
    run = client.get_run(run_id)
    have = {
        (key, point.step)
        for key in keys
        if f"training/{key}" in run.data.metrics
        for point in client.get_metric_history(run_id, f"training/{key}")
    }
    now = int(time.time() * 1000)
    missing = [
        Metric(f"training/{key}", value, now, int(row["epoch"]))
        for row in epochs
        for key, value in row.items()
        if key != "epoch" and (key, int(row["epoch"])) not in have
    ]
    _log_metrics(client, run_id, missing)


def log_figures(client: Any, run_id: str, figures: Mapping[str, Any]) -> None:
    """Log figures by role, {"val": {"auroc": {"value", "low", "high"}}}, that are new."""
    from mlflow.entities import Metric

    have = client.get_run(run_id).data.metrics
    now = int(time.time() * 1000)
    _log_metrics(
        client,
        run_id,
        [Metric(key, value, now, 0) for key, value in flatten_figures(figures)
         if have.get(key) != value],
    )  # fmt: skip


def _log_metrics(client: Any, run_id: str, metrics: list[Any]) -> None:
    for start in range(0, len(metrics), _PER_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _PER_BATCH])


def _experiment(client: Any, store: Store, identity: Identity, stem: str) -> str:
    """Id of the experiment for runs on this data, made where there is none."""
    from mlflow.exceptions import MlflowException

    name = identity.named(stem)
    found = client.get_experiment_by_name(name)
    if found is None:
        note = (
            f"Pneumonia in chest X-rays, data set `{identity.source['name']}`. "
            + ("**Synthetic films**: no figure here says anything about patients. "
               if identity.synthetic else "")
            + "One run per run digest; `complete` is set once all of it is shown."
        )  # fmt: skip
        place = None if store.artifacts is None else f"{store.artifacts}/{name}"
        try:
            made = client.create_experiment(
                name,
                artifact_location=place,
                tags={"mlflow.note.content": note},
            )
            return str(made)
        except MlflowException:  # another client of the same server was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _run_name(identity: Identity, journal: Mapping[str, Any]) -> str:
    experiment = circumstance(journal, "dvc_experiment")
    network = identity.params.get("train", {}).get("network", "run")
    return f"{network if experiment in ('none', NOT_RECORDED) else experiment} {identity.run[:8]}"


def _describe(client: Any, run: Any, identity: Identity, journal: Mapping[str, Any]) -> None:
    """Bring the run's params, tags and data sets to what is known; touch nothing that is."""
    from mlflow.entities import Param, RunTag

    tags = {
        "data_digest": identity.data,
        "code_digest": identity.code_digest,
        "lock_digest": identity.lock,
        "source": str(identity.source["name"]),
        "synthetic": plain(identity.synthetic),
        "threads": plain(identity.params.get("train", {}).get("threads", NOT_RECORDED)),
        **{
            key: circumstance(journal, key)
            for key in ("instruction_set", "git_commit", "git_dirty", "dvc_experiment",
                        "machine", "time")
        },
    }  # fmt: skip
    have = run.data.tags
    changed = [
        RunTag(key, value)
        for key, value in tags.items()
        # What was recorded once is not forgotten where the journal has gone since.
        if have.get(key) != value and not (value == NOT_RECORDED and key in have)
    ]
    params = [
        Param(key, plain(value))
        for key, value in flatten(identity.params)
        if key not in run.data.params
    ]
    for start in range(0, max(len(params), len(changed)), 100):
        client.log_batch(
            run.info.run_id,
            params=params[start : start + 100],
            tags=changed[start : start + 100],
        )
    if not run.inputs.dataset_inputs:
        client.log_inputs(run.info.run_id, _data_sets(identity))


def _data_sets(identity: Identity) -> list[Any]:
    """One input per role: name, digest, origin and counts."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(
                name=f"{identity.source['name']} {role}",
                digest=identity.data[:32],  # MLflow keeps 36 characters
                source_type="pneumonia",
                source=json.dumps(dict(identity.source), sort_keys=True),
                profile=json.dumps(dict(counts), sort_keys=True),
            ),
            [InputTag("mlflow.data.context", role)],
        )
        for role, counts in sorted(
            identity.counts.items(), key=lambda item: (item[0] != "train", item[0])
        )
    ]
