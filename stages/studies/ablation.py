"""The experiments of a commit as the table of docs/log.md."""

from collections.abc import Mapping
from typing import Any

from stages.engine import journal
from stages.engine.errors import InputError
from stages.engine.keys import differences
from stages.history import experiments
from stages.history.experiments import Experiment
from stages.metrics.intervals import Figure
from stages.settings.params import Params
from stages.studies.ablation_table import Row, ablation_table

BASELINE = "none: the baseline"


def table(settings: Params, rev: str, *, against: str | None = None, paired: bool) -> str:
    """The experiments that start from the commit `rev`, as Markdown, the baseline first.

    against: the experiment that is the baseline; None for the commit itself, which with another
    baseline has no row: screening does not resemble what is committed. paired: also each
    one's paired difference from the baseline, for which models are brought from DVC's cache and
    judged on the validation images again (seconds each). Raises InputError where there is nothing
    to tell, or nothing to tell it against.
    """
    commit, found = experiments.list_experiments(rev)
    if not found:
        raise InputError(
            f"{rev}: expected experiments that start from it, found none; run some by `dvc exp run "
            "--name NAME -S key=value train`, or name the commit that they start from by --rev"
        )
    baseline = commit if against is None else _named(against, found)
    others = [one for one in found if one is not baseline]
    told = _differences(baseline, others, settings) if paired else {}
    facts = _journal()
    rows = []
    for one in (baseline, *others):
        change = _change(baseline, one) if one is not baseline else BASELINE
        cost = _cost(facts.get((one.name, commit.rev)))
        row = Row(one.date, one.name, change, one.validation, one.state, cost, told.get(one.rev))
        rows.append(row)
    return ablation_table(rows)


def _named(name: str, found: list[Experiment]) -> Experiment:
    for one in found:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in found)
    raise InputError(f"--against {name}: expected an experiment of this commit ({names})")


def _differences(
    baseline: Experiment, others: list[Experiment], settings: Params
) -> dict[str, dict[str, Figure]]:
    if baseline.validation is None:
        raise InputError(
            f"--paired: expected a trained baseline, received {baseline.name} without figures; "
            "run `dvc repro train` and commit, or name an experiment by --against"
        )
    from stages.studies import stored_models  # TensorFlow comes with it

    revs = [one.rev for one in others if one.validation]
    return stored_models.differences(baseline.rev, revs, settings)


def _change(baseline: Experiment, one: Experiment) -> str:
    if not one.params:  # a run that failed before DVC could read them
        return "not told"
    changes = differences(baseline.params, one.params)
    told = [f"{key} {_say(was)} → {_say(now)}" for key, (was, now) in changes.items()]
    return "; ".join(told) or "none"


def _say(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _journal() -> dict[tuple[str | None, str], Mapping[str, Any]]:
    """What trainings left in the journal, the latest by name of experiment and commit."""
    told = [facts["train"] for facts in journal.read_all() if "train" in facts]
    told.sort(key=lambda facts: str(facts["time"]))
    return {(facts["dvc_experiment"], facts["git_commit"]): facts for facts in told}


def _cost(facts: Mapping[str, Any] | None) -> str:
    """Minutes in training steps, of the process that ended the training, and images per second."""
    if facts is None or "seconds" not in facts:
        return "not recorded"
    return f"{facts['seconds'] / 60:.1f} min at {facts['images_per_s']:.0f} images/s"
