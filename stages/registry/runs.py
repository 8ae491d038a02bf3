"""Find or create the MLflow run of a run digest, with its params, tags and data sets."""

import json
from collections.abc import Iterator

from stages.engine import keys
from stages.engine.printable import printable
from stages.metrics.pages.text import code_span
from stages.registry.circumstances import (
    NOT_RECORDED,
    Journal,
    circumstance,
    circumstance_tags,
    training_span,
)
from stages.registry.client import Client
from stages.registry.entities import Run
from stages.registry.experiments import ensure_experiment
from stages.registry.identity import Identity
from stages.registry.store import Store, exclusive
from stages.registry.text import plain

_PER_BATCH = 100
"""Params, and tags, that MLflow accepts in one call."""


def find_or_create_run(
    client: Client, store: Store, stem: str, identity: Identity, journal: Journal
) -> Run:
    """Return the run of `identity`, created if it does not exist, with all that identifies it.

    Args:
        client: Client of `store`.
        store: The tracking store.
        stem: Stem of the experiment's name.
        identity: What the run is made of.
        journal: Circumstances by stage; empty if none were kept.
    """
    with exclusive(store):
        experiment_id = _experiment_id(client, store, identity, stem)
        run = find_run(client, experiment_id, identity.run)
        if run is None:
            created = client.create_run(
                experiment_id,
                start_time=training_span(journal)[0],
                tags={"run_digest": identity.run},
                run_name=_run_name(identity, journal),
            )
            # Clients of a server do not lock each other out. Of runs that were created at the same
            # time, each client keeps the first that it finds; `join_runs` settles the rest.
            run = find_run(client, experiment_id, identity.run) or created
            if run.info.run_id != created.info.run_id:
                client.delete_run(created.info.run_id)
    _add_identity(client, run, identity, journal)
    return run


def find_run(client: Client, experiment_id: str, run_digest: str) -> Run | None:
    """Return the first run with this digest, or None."""
    return next(find_runs(client, experiment_id, run_digest), None)


def find_runs(client: Client, experiment_id: str, run_digest: str) -> Iterator[Run]:
    """Yield the runs with this digest, in an order that does not depend on who asks."""
    return search_all_runs(
        client,
        [experiment_id],
        order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
        filter_string=f"tags.run_digest = '{run_digest}'",
    )


def is_deleted(client: Client, run_id: str) -> bool:
    """Return whether a run was deleted, as `join_runs` of another client does."""
    return client.get_run(run_id).info.lifecycle_stage == "deleted"


def search_all_runs(
    client: Client,
    experiment_ids: list[str],
    order_by: list[str],
    filter_string: str = "",
    *,
    with_deleted: bool = False,
) -> Iterator[Run]:
    """Yield every run that matches, however many pages that takes."""
    from mlflow.entities import ViewType

    view = ViewType.ALL if with_deleted else ViewType.ACTIVE_ONLY
    token = None
    while experiment_ids:
        page = client.search_runs(
            experiment_ids, filter_string, run_view_type=view, order_by=order_by, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _experiment_id(client: Client, store: Store, identity: Identity, stem: str) -> str:
    """Return the experiment for runs on this data set, created if it does not exist."""
    synthetic = "**Synthetic images**: no figure says anything about patients. "
    description = (
        f"Runs on the data set {code_span(identity.data_name)}. "
        f"{synthetic if identity.synthetic else ''}"
        "One run per run digest; the tag `complete` is set once everything is logged."
    )
    return ensure_experiment(client, store, identity.named(stem), description)


def _run_name(identity: Identity, journal: Journal) -> str:
    experiment = circumstance(journal, "dvc_experiment")
    network = identity.params.get("train", {}).get("network", "run")
    return f"{network if experiment in ('none', NOT_RECORDED) else experiment} {identity.run[:8]}"


def _add_identity(client: Client, run: Run, identity: Identity, journal: Journal) -> None:
    """Add the params, tags and data sets that the run does not have yet."""
    from mlflow.entities import Param, RunTag

    present = run.data.tags
    tags = [
        RunTag(key, printable(value))
        for key, value in _identity_tags(identity, journal).items()
        # A value that was recorded once stays when the journal is gone later.
        if present.get(key) != printable(value) and not (value == NOT_RECORDED and key in present)
    ]
    params = [
        Param(key, plain(value))
        for key, value in keys.flatten(identity.params).items()
        if key not in run.data.params
    ]
    for start in range(0, max(len(params), len(tags)), _PER_BATCH):
        batch = slice(start, start + _PER_BATCH)
        client.log_batch(run.info.run_id, params=params[batch], tags=tags[batch])
    if not run.inputs.dataset_inputs:
        client.log_inputs(run.info.run_id, _data_sets(identity))


def _identity_tags(identity: Identity, journal: Journal) -> dict[str, str]:
    return {
        "data_digest": identity.data,
        "code_digest": identity.code_digest,
        "lock_digest": identity.lock,
        "source": identity.data_name,
        "synthetic": plain(identity.synthetic),
        "threads": plain(identity.params.get("train", {}).get("threads", NOT_RECORDED)),
        **circumstance_tags(journal),
    }


def _data_sets(identity: Identity) -> list[object]:
    """Return one MLflow data set per role, with name, digest, origin and counts."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(
                name=f"{identity.data_name} {role}",
                digest=identity.data[:32],  # MLflow keeps 36 characters
                source_type="images",
                source=json.dumps(dict(identity.source), sort_keys=True),
                profile=json.dumps(dict(counts), sort_keys=True),
            ),
            [InputTag("mlflow.data.context", role)],
        )
        for role, counts in sorted(
            identity.counts.items(), key=lambda item: (item[0] != "train", item[0])
        )
    ]
