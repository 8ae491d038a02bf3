"""Log a finished run from its files: one MLflow run per run digest.

Training, while it runs, or `register` creates the run. It is complete when its tag `complete` has
the digest of everything that the files give (`Record.view`). An incomplete run is completed,
never duplicated.
"""

from collections.abc import Mapping

from stages.engine.printable import printable_lines
from stages.registry.circumstances import (
    NOT_RECORDED,
    Journal,
    circumstances_digest,
    seconds_tags,
    training_span,
)
from stages.registry.client import Client
from stages.registry.description import describe_run, headline, headline_tags
from stages.registry.entities import Run
from stages.registry.figures_page import figures_page
from stages.registry.record import Record
from stages.registry.run_metrics import log_epochs, log_figures, logged_epochs
from stages.registry.runs import (
    find_or_create_run,
    find_run,
    is_deleted,
    remove_duplicates,
)
from stages.registry.store import Store
from stages.registry.text import plain


def log_run(client: Client, store: Store, stem: str, record: Record, journal: Journal) -> str:
    """Log everything about a finished run that the store does not have, and return the run's id.

    Args:
        client: Client of `store`.
        store: The tracking store.
        stem: Stem of the experiment's name.
        record: The files of the run.
        journal: Circumstances by stage; empty if none were kept.
    """
    from mlflow.exceptions import MlflowException

    digest = record.identity.run
    while True:
        run = find_or_create_run(client, store, stem, record.identity, journal)
        try:
            _log_missing(client, run, record, journal)
            kept = remove_duplicates(client, run, digest)
        except MlflowException as error:
            refused = error.error_code == "INVALID_PARAMETER_VALUE"  # and not, say, unreachable
            if not refused or not is_deleted(client, run.info.run_id):
                raise
            continue  # another client keeps a run that it created at the same time
        if kept == run.info.run_id:
            return kept


def is_logged(client: Client, stem: str, record: Record, journal: Journal) -> bool:
    """Return whether the store has everything that `log_run` would log."""
    experiment = client.get_experiment_by_name(record.identity.named(stem))
    if experiment is None:
        return False
    run = find_run(client, experiment.experiment_id, record.identity.run)
    if run is None:
        return False
    present = run.data.tags
    logged = present.get("circumstances")
    return _is_complete(present, record) and logged == circumstances_digest(
        journal, logged or NOT_RECORDED
    )


def _log_missing(client: Client, run: Run, record: Record, journal: Journal) -> None:
    run_id, present = run.info.run_id, run.data.tags
    _log_circumstances(client, run_id, present, journal)
    if _is_complete(present, record):
        return
    logged = logged_epochs(client, run_id)
    log_epochs(client, run_id, record.epochs, logged=logged, timestamp=run.info.start_time)
    log_figures(client, run_id, record.figures)
    client.log_text(run_id, figures_page(record), "figures.html")
    _log_files(client, run_id, record, resumed=present.get("showing") == record.view)
    tags = {
        "model_digest": record.model,
        "judged": plain(record.judged),
        "instruction_set": record.instruction_set,
        "trained_as_recorded": record.trained_as_recorded,
        **headline_tags(record),
        "mlflow.note.content": f"{headline(record)}\n\n{describe_run(record)}",
    }
    _set_tags(client, run_id, tags)
    client.set_terminated(run_id, "FINISHED", end_time=training_span(journal)[1])
    client.set_tag(run_id, "complete", record.view)  # last


def _is_complete(present: Mapping[str, str], record: Record) -> bool:
    if present.get("judged") == "yes" and not record.judged:  # the run has more than these files
        return "complete" in present
    return present.get("complete") == record.view


def _log_circumstances(
    client: Client, run_id: str, present: Mapping[str, str], journal: Journal
) -> None:
    expected = circumstances_digest(journal, present.get("circumstances", NOT_RECORDED))
    if present.get("circumstances") != expected:
        client.log_dict(run_id, dict(journal) or {"journal": NOT_RECORDED}, "circumstances.json")
        _set_tags(client, run_id, {**seconds_tags(journal), "circumstances": expected})


def _log_files(client: Client, run_id: str, record: Record, *, resumed: bool) -> None:
    """Upload the run's files.

    Args:
        client: Client of the store.
        run_id: The run.
        record: The files of the run.
        resumed: Whether an earlier upload of the same files was interrupted, so that files that
            are present with their full size are skipped.
    """
    sizes: dict[str, int | None] = {}
    if resumed:
        for folder in {path.rpartition("/")[0] for path in record.files}:
            sizes |= {item.path: item.file_size for item in client.list_artifacts(run_id, folder)}
    else:
        client.set_tag(run_id, "showing", record.view)
    for path, file in record.files.items():
        if sizes.get(path) != file.stat().st_size:
            client.log_artifact(run_id, str(file), path.rpartition("/")[0])


def _set_tags(client: Client, run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(
        run_id, tags=[RunTag(key, printable_lines(value)) for key, value in tags.items()]
    )
