"""Offers a finished run to the registry: its run, its version, its place as candidate."""

import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import wait_budget
from stages.engine.errors import InputError
from stages.engine.files import digest
from stages.registry import aliases
from stages.registry.glance import shown_version
from stages.registry.note import Note, note
from stages.registry.record import Record
from stages.registry.rule import Verdict
from stages.registry.store import Store, knock, open_store, reason


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
        "format": 2,
        "run_digest": identity.run,
        "model_digest": record.model,
        "data_digest": identity.data,
        "code_digest": identity.code_digest,
        "lock_digest": identity.lock,
        "instruction_set": record.instruction_set,
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


def offer(offered: Offer, store: Store, *, limited: bool = True) -> str:
    """Have `store` show the run and the version; one line that says what came of it.

    Never raises for a store that is down, slow or locked: the line says so. limited: wait for a
    server no longer than the pipeline's wait budget lasts.
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
        limited = limited and store.folder is None
        tell = functools.partial(offer_fully, offered, store, candidate=candidate)
        version = _patiently(store, tell) if limited else tell()
    except Exception as error:
        if not trouble(error):
            raise
        return (
            f"registry: not all was told ({reason(store, error)}); nothing is lost: the next "
            f"`dvc repro` or `pneumonia sync` tells {store} from the files"
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


def show_past(
    store: Store, stem: str, record: Record, journal: Mapping[str, Any], offered: Offer | None
) -> bool:
    """Have `store` show a run that was made elsewhere or earlier; whether anything was lacking.

    offered: where the run was judged on test, so that it has a version too. No alias moves, and a
    version that has a note keeps it. Raises whatever MLflow raises.
    """
    from stages.registry import tracking, versions

    client = open_store(store)
    if tracking.shows(client, stem, record, journal) and (
        offered is None or versions.find(client, offered.name, record.model) is not None
    ):
        return False
    run_id = tracking.show(client, store, stem, record, journal)
    if offered is not None:
        versions.register(
            client, store, record, offered.note, name=offered.name, run_id=run_id,
            root=offered.root, lock=offered.lock, renew=False,
        )  # fmt: skip
    return True


def _run_tags(offered: Offer) -> dict[str, str]:
    tags = {"complete": offered.record.view}
    if "wall_s" in offered.journal.get("train", {}):  # less is not told over what is known
        tags["circumstances"] = digest(dict(offered.journal))
    return tags


def _say(offered: Offer, version: str, candidate: bool, when: str) -> str:
    if candidate:
        place = "the candidate"
    elif offered.verdict.passed:
        place = "not moved to candidate: this is an experiment"
    else:
        place = f"not a candidate, floors not reached\n{offered.verdict}"
    synthetic = " (synthetic images)" if offered.record.identity.synthetic else ""
    return f"registry: {offered.name} version {version}{synthetic} is {when} registered, {place}"


def trouble(error: Exception) -> bool:
    """Whether a store that is down, slow, full or locked raises this; else it is our own defect."""
    if isinstance(error, (InputError, OSError)):
        return True
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    return isinstance(
        error, (MlflowException, requests.RequestException, sqlalchemy.exc.SQLAlchemyError)
    )


def _patiently(store: Store, action: Callable[[], str]) -> str:
    """`action()`, or TimeoutError where a server takes more than the pipeline's wait budget."""
    with wait_budget.spend() as left:
        knock(store, left)
    import mlflow  # noqa: F401  seconds of our own, which are not the server's

    with wait_budget.spend() as left:
        return _within(left, action)


def _within(seconds: float, action: Callable[[], str]) -> str:
    """`action()`, or TimeoutError after `seconds`, when it goes on in a thread left behind.

    MLflow's own time limits hold per request and not for all of them together.
    """
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
        raise TimeoutError(
            f"the tracking server had its {wait_budget.TOTAL_S:g} s of this `dvc repro`; "
            "`pneumonia sync` waits longer"
        )
    return outcome[0]
