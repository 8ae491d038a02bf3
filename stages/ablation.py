"""The experiments of a commit as the table of docs/log.md."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stages import experiments, layout
from stages.engine import journal
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.experiments import Experiment
from stages.metrics.ablation import Row, ablation_table
from stages.metrics.intervals import Figure
from stages.params import Params
from stages.seeds import differences

BASELINE = "none: the baseline"


def table(settings: Params, rev: str, *, against: str | None = None, paired: bool) -> str:
    """The commit `rev` and each experiment that starts from it, as Markdown, the baseline first.

    against: the experiment that is the baseline; None for the commit itself. paired: also each
    one's paired difference from the baseline, for which models are brought from DVC's cache and
    judged on the validation films again (seconds each). Raises InputError where there is nothing
    to tell, or nothing to tell it against.
    """
    commit, found = experiments.listed(rev)
    if not found:
        raise InputError(
            f"{rev}: expected experiments that start from it, found none; run some by `dvc exp run "
            "--name NAME -S key=value train`, or name the commit that they start from by --rev"
        )
    baseline = commit if against is None else _named(against, found)
    others = [one for one in (commit, *found) if one is not baseline]
    told = _differences(baseline, others, settings) if paired else {}
    facts = _journal()
    rows = []
    for one in (baseline, *others):
        change = _change(baseline, one) if one is not baseline else BASELINE
        cost = _cost(one, facts.get((one.name, commit.rev)), settings)
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
    from stages import comparison  # TensorFlow comes with it

    revs = [one.rev for one in others if one.validation]
    return comparison.differences(baseline.rev, revs, settings)


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
    told = [read_json(path).get("train") for path in sorted(journal.FOLDER.glob("*.json"))]
    told = sorted((facts for facts in told if facts), key=lambda facts: str(facts["time"]))
    return {(facts["dvc_experiment"], facts["git_commit"]): facts for facts in told}


def _cost(one: Experiment, facts: Mapping[str, Any] | None, settings: Params) -> str:
    """Minutes in training steps where the number of films is known, and films per second."""
    if facts is None or "films_per_s" not in facts:
        return "not recorded"
    rate = facts["films_per_s"]
    films = _training_films(one, settings)
    if films is None:
        return f"{rate:.0f} films/s"
    minutes = one.params["train"]["epochs"] * films / rate / 60
    return f"{minutes:.1f} min at {rate:.0f} films/s"


def _training_films(one: Experiment, settings: Params) -> int | None:
    """Training films of an experiment, where the shards at hand are made as its were."""
    path = layout.SHARDS / "manifest.json"
    if not path.exists() or one.params["fetch"] != asdict(settings.fetch):
        return None
    manifest = read_json(path)
    if manifest["options"] != one.params["preprocess"]:
        return None
    train = manifest["counts"]["train"]
    return int(train["normal"] + train["pneumonia"])
