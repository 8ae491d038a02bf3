"""Publish a finished run: its MLflow run, its version, and the alias `candidate`."""

from stages.engine.files import digest
from stages.registry import aliases
from stages.registry.circumstances import Journal, is_complete
from stages.registry.connection import describe_failure, is_store_failure, open_store
from stages.registry.mlflow_internals.quick_check import Expected, registered_version
from stages.registry.record import Record
from stages.registry.release import Release
from stages.registry.store import Store
from stages.registry.time_limit import within_wait_budget
from stages.registry.tracking import OTHER_FILES


def publish(release: Release, store: Store, *, limited: bool = True) -> str:
    """Publish a release and return a line that reports what was done.

    A store that is down, slow or locked raises nothing; the line reports it.

    Args:
        release: What to publish.
        store: Where to.
        limited: Whether to wait for a server no longer than one `dvc repro` may.
    """
    candidate = release.verdict.passed and not aliases.in_experiment()
    version = registered_version(store, _expected(release, candidate))
    if version is not None:
        return _report(release, version, candidate, "already")

    def attempt() -> str:
        return publish_unlimited(release, store, candidate=candidate)

    try:
        on_server = store.folder is None
        version = within_wait_budget(store, attempt) if limited and on_server else attempt()
    except Exception as error:
        if not is_store_failure(error):
            raise
        return (
            "registry: not everything was logged; nothing is lost: the next `dvc repro` or "
            f"`pneumonia sync` logs it to {store} from the files. Reason: "
            f"{describe_failure(store, error)}"
        )
    return _report(release, version, candidate, "now")


def publish_unlimited(release: Release, store: Store, *, candidate: bool) -> str:
    """Publish a release however long that takes, and return the version.

    Args:
        release: What to publish.
        store: Where to.
        candidate: Whether to point the alias `candidate` at the version.

    Raises:
        Exception: Whatever MLflow raises.
    """
    from stages.registry import moves, tracking, versions

    client = open_store(store)
    run_id = tracking.log_run(client, store, release.stem, release.record, release.journal)
    version = versions.register(
        client, store, release, run_id=run_id, update=not aliases.in_experiment()
    )
    if candidate:
        moves.move_alias(
            client,
            store,
            release.name,
            aliases.CANDIDATE,
            version,
            kind="register",
            why="reached the floors",
        )
    return version


def publish_past(
    store: Store,
    stem: str,
    record: Record,
    journal: Journal,
    release: Release | None,
) -> bool:
    """Publish a run that was made earlier or elsewhere; return whether anything was missing.

    No alias moves, and a version that has a description keeps it.

    Args:
        store: Where to publish.
        stem: Stem of the experiment's name.
        record: The files of the run.
        journal: Circumstances by stage; empty if none were kept.
        release: The release to register as a version; None for a run that was not evaluated.

    Raises:
        Exception: Whatever MLflow raises.
    """
    from stages.registry import tracking, versions

    client = open_store(store)
    if tracking.is_logged(client, store, stem, record, journal) and (
        release is None or versions.is_registered(client, store, release.name, record)
    ):
        return False
    run_id = tracking.log_run(client, store, stem, record, journal)
    if release is not None:
        versions.register(client, store, release, run_id=run_id, update=False)
    return True


def _expected(release: Release, candidate: bool) -> Expected:
    run_tags = {"complete": release.record.view}
    if is_complete(release.journal):  # an incomplete journal replaces nothing
        run_tags["circumstances"] = digest(dict(release.journal))
    files = {path: file.stat().st_size for path, file in release.record.files.items()}
    return Expected(
        run=release.record.identity.run,
        run_tags=run_tags,
        run_files={**files, **dict.fromkeys(OTHER_FILES)},
        name=release.name,
        model=release.record.model,
        text=release.description.digest,
        alias=aliases.CANDIDATE if candidate else None,
    )


def _report(release: Release, version: str, candidate: bool, when: str) -> str:
    if candidate:
        place = "the candidate"
    elif release.verdict.passed:
        place = "not moved to candidate: this is an experiment"
    else:
        place = f"not a candidate, floors not reached\n{release.verdict}"
    synthetic = " (synthetic images)" if release.record.identity.synthetic else ""
    return f"registry: {release.name} version {version}{synthetic} is {when} registered, {place}"
