"""Log a finished run from its files: one MLflow run per run digest.

Training, while it runs, or `register` creates the run. It is complete when its tag `complete` has
the digest of everything that the files give (`Record.view`). An incomplete run is completed,
never duplicated.
"""

from collections.abc import Mapping

from stages.engine.console import print_note
from stages.engine.printable import printable_lines
from stages.registry import circumstances
from stages.registry.circumstances import (
    NOT_RECORDED,
    Journal,
    circumstances_digest,
    seconds_tags,
    training_span,
)
from stages.registry.client import Client
from stages.registry.description import describe_run, headline, headline_tags
from stages.registry.duplicate_runs import join_runs
from stages.registry.entities import Run
from stages.registry.experiments import find_experiment
from stages.registry.figures_page import figures_page
from stages.registry.record import Record
from stages.registry.run_metrics import log_epochs, log_figures, logged_epochs
from stages.registry.runs import find_or_create_run, find_runs, is_deleted
from stages.registry.store import Store
from stages.registry.text import plain

FIGURES_FILE = "figures.html"
OTHER_FILES = (circumstances.FILE, FIGURES_FILE)
"""Files of a run that are made when it is logged."""


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
            _log_missing(client, store, run, record, journal)
            kept = join_runs(client, run, digest)
        except MlflowException as error:
            refused = error.error_code == "INVALID_PARAMETER_VALUE"  # and not, say, unreachable
            if not refused or not is_deleted(client, run.info.run_id):
                raise
            continue  # another client keeps a run that it created at the same time
        if kept == run.info.run_id:
            return kept


def is_logged(client: Client, store: Store, stem: str, record: Record, journal: Journal) -> bool:
    """Return whether the store has everything that `log_run` would log, and once."""
    experiment = find_experiment(client, record.identity.named(stem))
    if experiment is None:
        return False
    found = list(find_runs(client, experiment.experiment_id, record.identity.run))
    if len(found) != 1:
        return False
    [run] = found
    present = run.data.tags
    logged = present.get("circumstances")
    return (
        _is_complete(present, record)
        and logged == circumstances_digest(journal, logged or NOT_RECORDED)
        and not _missing_files(client, store, run, record)
    )


def _log_missing(client: Client, store: Store, run: Run, record: Record, journal: Journal) -> None:
    run_id, present = run.info.run_id, run.data.tags
    complete = _is_complete(present, record)
    missing = _missing_files(client, store, run, record) if complete else set()
    _log_circumstances(client, run_id, present, journal, again=circumstances.FILE in missing)
    if complete and not missing:
        return
    if missing:
        print_note(f"registry: files of the run {run.info.run_name} were deleted; stored again")
    logged = logged_epochs(client, run_id)
    log_epochs(client, run_id, record.epochs, logged=logged, timestamp=run.info.start_time)
    log_figures(client, run_id, record.figures)
    client.log_text(run_id, figures_page(record), FIGURES_FILE)
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
    # A run that was trained again keeps start and end of one training, the first.
    ended = run.info.end_time if run.info.status == "FINISHED" else training_span(journal)[1]
    client.set_terminated(run_id, "FINISHED", end_time=ended)
    client.set_tag(run_id, "complete", record.view)  # last


def _is_complete(present: Mapping[str, str], record: Record) -> bool:
    if _is_judged(present) and not record.judged:  # the run has more than these files
        return "complete" in present
    return present.get("complete") == record.view


def _missing_files(client: Client, store: Store, run: Run, record: Record) -> set[str]:
    """Return the names of files that a complete run has lost.

    MLflow's tables do not show it if a run's files were deleted from where they are stored. Of a
    server only the top folder is listed, in one request; of the embedded store every folder.
    """
    if _is_judged(run.data.tags) and not record.judged:  # the run has more than these files
        return set()
    run_id = run.info.run_id
    files = {*record.files, *OTHER_FILES}
    if store.is_server:
        return {name.partition("/")[0] for name in files} - _listed(client, run_id, "")
    return files - {
        path
        for folder in {name.rpartition("/")[0] for name in files}
        for path in _listed(client, run_id, folder)
    }


def _listed(client: Client, run_id: str, folder: str) -> set[str]:
    return {item.path for item in client.list_artifacts(run_id, folder or None)}


def _is_judged(present: Mapping[str, str]) -> bool:
    return present.get("judged") == "yes"


def _log_circumstances(
    client: Client, run_id: str, present: Mapping[str, str], journal: Journal, *, again: bool
) -> None:
    expected = circumstances_digest(journal, present.get("circumstances", NOT_RECORDED))
    if again or present.get("circumstances") != expected:
        client.log_dict(run_id, dict(journal) or {"journal": NOT_RECORDED}, circumstances.FILE)
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
