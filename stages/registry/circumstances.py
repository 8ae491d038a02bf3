"""Circumstances of a run, as the stages' journal recorded them: times, machine, commit, user.

They differ between runs that give the same files, so no digest is made from them. A journal maps
each stage to its facts and is empty if none was kept.
"""

import datetime
from collections.abc import Mapping
from typing import Any, TypeAlias

from stages.engine.files import digest
from stages.registry.text import plain

NOT_RECORDED = "not recorded"
FILE = "circumstances.json"
"""The journal, among the files of a run."""

Journal: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Facts by stage, as `engine.journal` keeps them; empty if none were kept."""

_TAGS = ("instruction_set", "git_commit", "git_dirty", "dvc_experiment", "machine", "time")


def circumstance(journal: Journal, key: str) -> str:
    """Return a fact of the training as text, or NOT_RECORDED.

    The journal's other stages may have run for another run.
    """
    facts = journal.get("train", {})
    return plain(facts[key]) if key in facts else NOT_RECORDED


def training_span(journal: Journal) -> tuple[int | None, int | None]:
    """Return when the training started and ended, in milliseconds; None, for now, if not kept.

    With these times MLflow's pages have the duration of a training, and list runs that were logged
    later from the files in the order in which they were trained.
    """
    facts = journal.get("train", {})
    if not {"time", "wall_s"} <= facts.keys():
        return None, None
    ended = datetime.datetime.fromisoformat(facts["time"]).timestamp()
    return int(1000 * (ended - facts["wall_s"])), int(1000 * ended)


def circumstance_tags(journal: Journal) -> dict[str, str]:
    """Return the run's tags, with those that MLflow's pages list as user, source and version."""
    commit, experiment = (circumstance(journal, key) for key in ("git_commit", "dvc_experiment"))
    command = {NOT_RECORDED: NOT_RECORDED, "none": "dvc repro"}.get(experiment, "dvc exp run")
    tags = {key: circumstance(journal, key) for key in _TAGS}
    tags |= {
        "mlflow.user": circumstance(journal, "user"),
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
    }
    if commit not in (NOT_RECORDED, "none"):
        tags["mlflow.source.git.commit"] = commit
    return tags


def seconds_tags(journal: Journal) -> dict[str, str]:
    """Return how long each stage took, for the stages of which that was recorded."""
    return {
        f"seconds_{stage}": plain(facts["wall_s"])
        for stage, facts in journal.items()
        if "wall_s" in facts
    }


def is_complete(journal: Journal) -> bool:
    """Return whether the journal has the end of the training."""
    return "wall_s" in journal.get("train", {})


def circumstances_digest(journal: Journal, logged: str = NOT_RECORDED) -> str:
    """Return the value of the tag `circumstances`.

    Args:
        journal: Circumstances by stage.
        logged: The tag's present value, which stays if the journal has less than was logged.
    """
    if not is_complete(journal) and logged != NOT_RECORDED:
        return logged
    return digest(dict(journal)) if journal else NOT_RECORDED
