"""The experiments of a commit as one table, failures included: `pneumonia study ablation`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.engine import journal
from stages.engine.errors import InputError
from stages.engine.keys import differences
from stages.history import experiments
from stages.history.experiments import Experiment
from stages.metrics.intervals import Figure
from stages.metrics.pages.text import format_difference, format_figure, markdown_table
from stages.metrics.shift import SHIFT_AUROC
from stages.metrics.trees import RoleFigures, find_figure
from stages.settings.params import Params
from stages.studies.paired import differences_from
from stages.studies.seeds import mean_shift_auroc


@dataclass(frozen=True)
class Row:
    """One experiment.

    Attributes:
        date: YYYY-MM-DD, or empty.
        name: Of the experiment.
        change: Its params against those of the baseline, in words.
        validation: Its figures by role; None where it has none.
        state: Why it has none; empty where it has figures.
        cost: Of its training, in words.
        difference: Paired, from the baseline.
    """

    date: str
    name: str
    change: str
    validation: RoleFigures | None
    state: str
    cost: str
    difference: Mapping[str, Figure] | None = None


def run(settings: Params, rev: str, *, against: str | None = None, paired: bool) -> str:
    """Return the table of the experiments that start from the commit `rev`, the baseline first.

    Args:
        settings: The params.
        rev: The commit.
        against: The experiment that is the baseline; None for the commit itself, which with another
            baseline has no row: screening does not resemble what is committed.
        paired: Also compute each one's paired difference from the baseline. Models are fetched
            from DVC's cache for it and judged on the validation images again (seconds each).

    Returns:
        The table in Markdown.

    Raises:
        InputError: There is no experiment, no such baseline, or it has no figures.
    """
    commit, found = experiments.list_experiments(rev)
    if not found:
        raise InputError(
            f"{rev}: expected experiments that start from it, found none; run some by `dvc exp run "
            "--name NAME -S key=value train`, or name the commit that they start from by --rev"
        )
    baseline = commit if against is None else _named(against, found)
    others = [one for one in found if one is not baseline]
    paired_with = _paired_differences(baseline, others, settings) if paired else {}
    trainings = _trainings()
    rows = [
        Row(
            date=one.date,
            name=one.name,
            change="none: the baseline" if one is baseline else _change(baseline, one),
            validation=one.validation,
            state=one.state,
            cost=_cost(trainings.get((one.name, commit.rev))),
            difference=paired_with.get(one.rev),
        )
        for one in (baseline, *others)
    ]
    return format_table(rows)


def format_table(rows: Sequence[Row]) -> str:
    """Format the experiments as Markdown.

    AUROC and specificity at screening sensitivity on every validation role that any row has, the
    mean AUROC of the shift validations, and the cost.
    """
    roles = list(dict.fromkeys(role for row in rows for role in row.validation or {}))
    paired = any(row.difference for row in rows)
    header = ["Date", "Experiment", "Change", SHIFT_AUROC]
    header += [f"{SHIFT_AUROC} against the first row"] if paired else []
    header += [f"AUROC, {role}" for role in roles]
    header += [f"Specificity at screening, {role}" for role in roles]
    return markdown_table([*header, "Training"], [_cells(row, roles, paired) for row in rows])


def _cells(row: Row, roles: Sequence[str], paired: bool) -> list[str]:
    cells = [row.date, row.name, row.change]
    if row.validation is None:
        blanks = [""] * (2 * len(roles) + paired)
        return [*cells, " ".join((row.state or "no figures").split()), *blanks, row.cost]
    shift = mean_shift_auroc(row.validation)
    cells.append("" if shift is None else f"{shift:.3f}")
    if paired:
        cells.append(format_difference((row.difference or {}).get(SHIFT_AUROC)))
    for keys in (("auroc",), ("screening", "specificity")):
        for role in roles:
            missing = "undefined" if role in row.validation else "no such role"
            cells.append(format_figure(find_figure(row.validation, role, *keys), missing=missing))
    return [*cells, row.cost]


def _named(name: str, found: list[Experiment]) -> Experiment:
    for one in found:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in found)
    raise InputError(f"--against {name}: expected an experiment of this commit ({names})")


def _paired_differences(
    baseline: Experiment, others: list[Experiment], settings: Params
) -> dict[str, dict[str, Figure]]:
    if baseline.validation is None:
        raise InputError(
            f"--paired: expected a trained baseline, received {baseline.name} without figures; "
            "run `dvc repro train` and commit, or name an experiment by --against"
        )
    return differences_from(baseline.rev, [one.rev for one in others if one.validation], settings)


def _change(baseline: Experiment, one: Experiment) -> str:
    """Describe how an experiment's params differ from the baseline's."""
    if not one.params:  # a run that failed before DVC could read them
        return "not recorded"
    changes = differences(baseline.params, one.params)
    texts = [f"{key} {_as_yaml(was)} → {_as_yaml(now)}" for key, (was, now) in changes.items()]
    return "; ".join(texts) or "none"


def _as_yaml(value: Any) -> str:
    """Write true, false and none as YAML does, in lower case."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _trainings() -> dict[tuple[str | None, str], Mapping[str, Any]]:
    """Return what the journal has of trainings, the latest by name of experiment and commit."""
    found = [entry["train"] for entry in journal.read_all() if "train" in entry]
    found.sort(key=lambda entry: str(entry["time"]))
    return {(entry["dvc_experiment"], entry["git_commit"]): entry for entry in found}


def _cost(training: Mapping[str, Any] | None) -> str:
    """Describe minutes in training steps, of the process that ended it, and images per second."""
    if training is None or "seconds" not in training:
        return "not recorded"
    return f"{training['seconds'] / 60:.1f} min at {training['images_per_s']:.0f} images/s"
