"""One run per run digest in the tracking store, made whole from the files.

A run is begun by whoever comes first (training, live, or `register`) and is complete once its
tag `complete` names the view that its files give. An incomplete run is completed, never
doubled.
"""

import datetime
import json
from collections.abc import Mapping, Set
from typing import Any

from stages.engine.files import DECIMALS, digest
from stages.registry.figures_page import page
from stages.registry.note import described, headline, headline_tags
from stages.registry.record import (
    NOT_RECORDED,
    Identity,
    Record,
    Row,
    circumstance,
    compared,
    flatten,
    plain,
)
from stages.registry.store import Store, locked

_PER_BATCH = 1000  # metrics that MLflow takes in one call; of params and tags it takes 100


def show(client: Any, store: Store, stem: str, record: Record, journal: Mapping[str, Any]) -> str:
    """Have the store show `record` whole; the id of its run.

    stem: of the experiment's name. journal: circumstances by stage, empty where none were kept.
    """
    run = begin(client, store, stem, record.identity, journal)
    run_id, have = str(run.info.run_id), run.data.tags
    told = _circumstances(journal, have)
    if have.get("circumstances") != told:
        client.log_dict(run_id, dict(journal) or {"journal": NOT_RECORDED}, "circumstances.json")
        _tag(client, run_id, {**_seconds(journal), "circumstances": told})
    if _complete(have, record):
        return run_id
    had = epochs_had(client, run_id)
    log_epochs(client, run_id, record.epochs, had, run.info.start_time)
    log_figures(client, run_id, record.figures)
    client.log_text(run_id, page(record), "figures.html")
    _log_files(client, run_id, record, begun=have.get("showing") == record.view)
    _tag(client, run_id, {
        "model_digest": record.model,
        "judged": plain(record.judged),
        "instruction_set": record.instruction_set,
        **headline_tags(record),
        "mlflow.note.content": f"{headline(record)}\n\n{described(record)}",
    })  # fmt: skip
    client.set_terminated(run_id, "FINISHED", end_time=_span(journal)[1])
    client.set_tag(run_id, "complete", record.view)  # last: all of it is there
    return run_id


def shows(client: Any, stem: str, record: Record, journal: Mapping[str, Any]) -> bool:
    """Whether the store shows `record` whole already."""
    experiment = client.get_experiment_by_name(record.identity.named(stem))
    run = experiment and find(client, experiment.experiment_id, record.identity.run)
    if not run:
        return False
    have = run.data.tags
    return _complete(have, record) and have.get("circumstances") == _circumstances(journal, have)


def _complete(have: Mapping[str, str], record: Record) -> bool:
    if have.get("judged") == "yes" and not record.judged:  # more than this is shown already
        return "complete" in have
    return have.get("complete") == record.view


def _circumstances(journal: Mapping[str, Any], have: Mapping[str, str]) -> str:
    """What the tag `circumstances` should say; what was told once stays where less is known."""
    known = have.get("circumstances", NOT_RECORDED)
    if "wall_s" not in journal.get("train", {}) and known != NOT_RECORDED:
        return known
    return digest(dict(journal)) if journal else NOT_RECORDED


def _log_files(client: Any, run_id: str, record: Record, *, begun: bool) -> None:
    """Upload the run's files; begun: these very files, so that those of full size are there."""
    there: dict[str, int] = {}
    if begun:
        for folder in {shown.rpartition("/")[0] for shown in record.files}:
            there |= {item.path: item.file_size for item in client.list_artifacts(run_id, folder)}
    else:
        client.set_tag(run_id, "showing", record.view)
    for shown, path in record.files.items():
        if there.get(shown) != path.stat().st_size:
            client.log_artifact(run_id, str(path), shown.rpartition("/")[0])


def _seconds(journal: Mapping[str, Any]) -> dict[str, str]:
    """How long each stage took, as far as that was kept."""
    return {
        f"seconds_{stage}": plain(facts["wall_s"])
        for stage, facts in journal.items() if "wall_s" in facts
    }  # fmt: skip


def _span(journal: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """When the training began and ended, in milliseconds; None, for now, where it was not kept.

    The pages then tell how long it took, and list runs made from the files in their order.
    """
    facts = journal.get("train", {})
    if not {"time", "wall_s"} <= facts.keys():
        return None, None
    ended = datetime.datetime.fromisoformat(facts["time"]).timestamp()
    return int(1000 * (ended - facts["wall_s"])), int(1000 * ended)


def _tag(client: Any, run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def begin(
    client: Any, store: Store, stem: str, identity: Identity, journal: Mapping[str, Any]
) -> Any:
    """The run of `identity` with its params, tags and data set, made where there is none."""
    with locked(store):
        experiment = _experiment(client, store, identity, stem)
        run = find(client, experiment, identity.run)
        if run is None:
            tags = {"run_digest": identity.run}
            made = client.create_run(
                experiment, start_time=_span(journal)[0], tags=tags,
                run_name=_run_name(identity, journal),
            )  # fmt: skip
            # Over a server nothing locks: of two that were made at once, all keep the first.
            run = find(client, experiment, identity.run) or made
            if run.info.run_id != made.info.run_id:
                client.delete_run(made.info.run_id)
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


def epochs_had(client: Any, run_id: str) -> set[tuple[str, int]]:
    """(number, epoch) of all that the run has under `learning/`."""
    return {
        (key.removeprefix("learning/"), point.step)
        for key in client.get_run(run_id).data.metrics
        if key.startswith("learning/")
        for point in client.get_metric_history(run_id, key)
    }


def log_epochs(
    client: Any, run_id: str, epochs: tuple[Row, ...], had: Set[tuple[str, int]], when: int
) -> None:
    """Log each epoch's numbers under `learning/`, but for those that the run has (`epochs_had`).

    when: in milliseconds; the run's start where they come from the files. Told live, they have
    the decimals that the files will have: a run looks the same whichever way it was made.
    """
    from mlflow.entities import Metric

    missing = [
        Metric(f"learning/{key}", round(value, DECIMALS), when, int(row["epoch"]))
        for row in epochs
        for key, value in row.items()
        if key != "epoch" and (key, int(row["epoch"])) not in had
    ]
    _log_metrics(client, run_id, missing)


def log_figures(client: Any, run_id: str, figures: Mapping[str, Any]) -> None:
    """Log the `compared` ones of figures by role, {"val": {"auroc": {"value", "low", "high"}}},
    that are new.
    """
    from mlflow.entities import Metric

    run = client.get_run(run_id)
    have = run.data.metrics
    # At the run's start: what two clients of a server log at once is then one point, not two.
    when = run.info.start_time
    _log_metrics(
        client,
        run_id,
        [Metric(key, value, when, 0) for key, value in compared(figures).items()
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
            + ("**Synthetic images**: no figure here says anything about patients. "
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
        **_origin(journal),
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


def _origin(journal: Mapping[str, Any]) -> dict[str, str]:
    """What MLflow's pages show as a run's user, source and version, as far as that was kept."""
    commit, experiment = (circumstance(journal, key) for key in ("git_commit", "dvc_experiment"))
    command = {NOT_RECORDED: NOT_RECORDED, "none": "dvc repro"}.get(experiment, "dvc exp run")
    return {
        "mlflow.user": circumstance(journal, "user"),
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        **({} if commit in (NOT_RECORDED, "none") else {"mlflow.source.git.commit": commit}),
    }


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
