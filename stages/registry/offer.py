"""Offers a finished run to the registry: its run, its version, its place as candidate."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import digest
from stages.metrics.promotion import Verdict
from stages.registry import aliases
from stages.registry.glance import shown_version
from stages.registry.note import Note, note
from stages.registry.record import Record
from stages.registry.store import Store, open_store

SERVER_S = 10.0
"""How long a tracking server may take in all before a stage goes on without it."""


@dataclass(frozen=True)
class Offer:
    """What is offered, under which name, and from which repository.

    stem: of the experiment's and model's names. journal: circumstances by stage, or empty.
    root: of the code that the model takes along; lock: the file that pins what it needs.
    """

    record: Record
    verdict: Verdict
    stem: str
    journal: Mapping[str, Any]
    root: Path
    lock: Path

    @property
    def name(self) -> str:
        """The registered model's name."""
        return self.record.identity.named(self.stem)

    @property
    def note(self) -> Note:
        return note(self.record, self.verdict, self.journal)


def release(record: Record, verdict: Verdict) -> dict[str, Any]:
    """What release.json holds: digests and the floors' verdict, nothing of any registry."""
    identity = record.identity
    return {
        "format": 1,
        "run_digest": identity.run,
        "model_digest": record.model,
        "data_digest": identity.data,
        "code_digest": identity.code_digest,
        "lock_digest": identity.lock,
        "source": {key: identity.source[key] for key in ("name", "synthetic", "pinned")},
        "floors": {
            "passed": verdict.passed,
            "reasons": [
                {"rule": reason.rule, "value": reason.value, "required": reason.required,
                 "passed": reason.passed}
                for reason in verdict.reasons
            ],
        },
    }  # fmt: skip


def offer(offered: Offer, store: Store) -> str:
    """Have `store` show the run and the version; one line that says what came of it.

    Never raises for a store that is down, slow or locked: the line says so.
    """
    candidate = offered.verdict.passed and not aliases.in_experiment()
    confirmed = shown_version(
        store,
        run=offered.record.identity.run,
        tags=_run_tags(offered),
        name=offered.name,
        model=offered.record.model,
        note=offered.note.shown,
        alias=aliases.CANDIDATE if candidate else None,
    )
    if confirmed is not None:
        return _say(offered, confirmed, candidate, "already")
    try:
        version = _within(
            SERVER_S if store.folder is None else None,
            lambda: offer_fully(offered, store, candidate=candidate),
        )
    except _troubles() as error:
        return (
            f"registry: {store} was not told ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0][:200]}); nothing is lost: "
            "the next `dvc repro` tells it from the files"
        )
    return _say(offered, version, candidate, "now")


def offer_fully(offered: Offer, store: Store, *, candidate: bool) -> str:
    """The long road of `offer`: raises whatever MLflow raises; the version."""
    from stages.registry import history, tracking, versions

    client = open_store(store)
    run_id = tracking.show(client, store, offered.stem, offered.record, offered.journal)
    version = versions.register(
        client, store, offered.record, offered.note, name=offered.name, run_id=run_id,
        root=offered.root, lock=offered.lock, renew=not aliases.in_experiment(),
    )  # fmt: skip
    if candidate:
        history.move(
            client, store, offered.name, aliases.CANDIDATE, version,
            kind="register", why="reached the floors",
        )  # fmt: skip
    return version


def _run_tags(offered: Offer) -> dict[str, str]:
    tags = {"complete": offered.record.view}
    if offered.journal:
        tags["circumstances"] = digest(dict(offered.journal))
    return tags


def _say(offered: Offer, version: str, candidate: bool, when: str) -> str:
    if candidate:
        place = "the candidate"
    elif offered.verdict.passed:
        place = "not moved to candidate: this is an experiment"
    else:
        place = f"not a candidate, floors not reached\n{offered.verdict}"
    synthetic = " (synthetic films)" if offered.record.identity.synthetic else ""
    return f"registry: {offered.name} version {version}{synthetic} is {when} registered, {place}"


def _troubles() -> tuple[type[Exception], ...]:
    """What a store that is down, slow, full or locked raises; our own defects are not among it."""
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    return (InputError, MlflowException, requests.RequestException,
            sqlalchemy.exc.SQLAlchemyError, OSError)  # fmt: skip


def _within(seconds: float | None, action: Callable[[], str]) -> str:
    """`action()`, or TimeoutError after `seconds`, when it goes on in a thread left behind.

    MLflow's own time limits hold per request and not for all of them together.
    """
    if seconds is None:
        return action()
    outcome: list[str] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as error:  # noqa: BLE001  raised again below, in the caller's thread
            failure.append(error)

    # Daemon: what is left behind ends with the process.
    worker = threading.Thread(target=run, name="registry", daemon=True)
    worker.start()
    worker.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise TimeoutError(f"no end within {seconds:g} s")
    return outcome[0]
