"""How far do one recipe's figures move with the seed? The command `pneumonia study seeds`.

The recipe is trained with several seeds through DVC. The table has mean and spread over the seeds,
and each seed's own figure with its interval.
"""

import copy
import statistics
from collections.abc import Mapping
from typing import Any

import yaml

from stages.engine import keys
from stages.engine.errors import InputError
from stages.history import experiments
from stages.history.experiments import Experiment
from stages.metrics.pages.text import format_figure, markdown_table
from stages.metrics.shift import shift_roles
from stages.metrics.trees import RoleFigures, find_figure
from stages.settings import params, paths, section
from stages.settings.digests import JUDGED

_FIGURES = {
    "AUROC": ("auroc",),
    "Accuracy": ("decision", "accuracy"),
    "Sensitivity at decision": ("decision", "sensitivity"),
    "Specificity at decision": ("decision", "specificity"),
    "Specificity at screening sensitivity": ("screening", "specificity"),
    "Sensitivity at rule-in": ("rule_in", "sensitivity"),
    "Brier score": ("brier",),
    "ECE": ("ece",),
}
"""Figures of the table, and where they stand in a role's tree."""


def run(count: int, prefix: str, settings: list[str], *, test: bool = False) -> str:
    """Train with train.seed 0 to count - 1 where that is not done yet; return the table.

    Each training is the experiment `prefix`-k of the current commit; one that exists with the same
    params and code is taken as it is. The workspace is restored afterwards.

    Args:
        count: Number of seeds.
        prefix: Of the experiments' names.
        settings: "key=value", further changes of params.yaml.
        test: Judge each on the test split as well, which is for the recipe that ships.

    Returns:
        The table in Markdown.

    Raises:
        InputError: A name is taken by another recipe, params are invalid, or a training fails.
    """
    if count < 1:
        raise InputError(f"seeds: expected a number from 1, received {count}")
    wanted = {f"{prefix}-{k}": [*settings, f"train.seed={k}"] for k in range(count)}
    trees = {name: changed(section.read(), changes) for name, changes in wanted.items()}
    params.check(trees[f"{prefix}-0"])  # before the first training, not in it
    finished = _finished()
    for name in wanted.keys() & finished.keys():  # all of them before any is trained
        _check_recipe(finished[name], trees[name])
    figures = {name: _figures(finished.get(name), test) for name in wanted}
    missing = [name for name in wanted if figures[name] is None]
    if missing:
        with experiments.restored_workspace():
            for name in missing:
                if name in finished:  # trained: DVC restores that from its cache, and judges it
                    experiments.remove(name)
                experiments.train(name, wanted[name], "evaluate" if test else experiments.TARGET)
        finished = _finished()
    return format_table({name: _figures(finished[name], test) or {} for name in wanted})


def changed(tree: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """Return a copy of the params `tree` with "key=value" settings, whose values are YAML.

    Raises:
        InputError: A setting is no such pair, or its key is not in the tree.
    """
    tree = copy.deepcopy(tree)
    for setting in settings:
        key, sign, value = setting.partition("=")
        try:
            if not sign:
                raise KeyError(setting)
            keys.assign(tree, key, yaml.safe_load(value))
        except KeyError:
            raise InputError(
                f"-S {setting}: expected section.key=value with a key of {paths.PARAMS}"
            ) from None
    return tree


def mean_shift_auroc(validation: RoleFigures) -> float | None:
    """Average the AUROC over the shift validations, the figure by which the epoch was chosen.

    Of the saved model, hence of the kept epoch. None where there is no such role.
    """
    shifts = [validation[role]["auroc"]["value"] for role in shift_roles(validation)]
    return statistics.fmean(shifts) if shifts else None


def format_table(trainings: Mapping[str, RoleFigures]) -> str:
    """Format mean, standard deviation (of n - 1), least and greatest over the trainings.

    Each training's own figure stands beside them with its interval. A figure that any of them
    leaves out has no mean.

    Args:
        trainings: Figures by role (validation.json, and test) by the name of the training, one or
            more, all with the same roles.

    Returns:
        The table in Markdown.
    """
    rows = []
    for role in next(iter(trainings.values())):
        for title, place in _FIGURES.items():
            figures = [find_figure(tree, role, *place) for tree in trainings.values()]
            values = [figure["value"] for figure in figures if figure is not None]
            complete = values if len(values) == len(figures) else []
            rows.append([role, title, *_spread(complete), *map(format_figure, figures)])
    shifts = [mean_shift_auroc(tree) for tree in trainings.values()]
    means = [value for value in shifts if value is not None]
    if means:
        rows.append(["shift", "mean AUROC", *_spread(means), *(f"{mean:.3f}" for mean in means)])
    return markdown_table(["Role", "Figure", "Mean", "SD", "Least", "Greatest", *trainings], rows)


def _spread(values: list[float]) -> list[str]:
    if not values:
        return ["undefined"] * 4
    deviation = f"{statistics.stdev(values):.3f}" if len(values) > 1 else "one only"
    least, greatest = f"{min(values):.3f}", f"{max(values):.3f}"
    return [f"{statistics.fmean(values):.3f}", deviation, least, greatest]


def _figures(found: Experiment | None, test: bool) -> RoleFigures | None:
    """Return an experiment's figures by role, None where there are none yet."""
    if found is None or found.validation is None or not test:
        return found.validation if found else None
    judged = experiments.metrics_at(found.rev)
    return {"test": judged["test"], **found.validation} if judged else None


def _finished() -> dict[str, Experiment]:
    return {found.name: found for found in experiments.list_experiments()[1] if found.validation}


def _check_recipe(found: Experiment, wanted: dict[str, Any]) -> None:
    """Raise InputError where an experiment has other params or code than the `wanted` params."""
    changes = keys.differences(
        {name: found.params.get(name) for name in JUDGED}, {name: wanted[name] for name in JUDGED}
    )
    reasons = [f"{key} is {before} there and {now} here" for key, (before, now) in changes.items()]
    reasons += [f"{path} has changed since" for path in experiments.changed_code(found.rev)]
    if reasons:
        raise InputError(
            f"experiment {found.name}: expected this recipe, received another "
            f"({'; '.join(reasons)}); give --name another prefix, or remove it by "
            f"`dvc exp remove {found.name}`"
        )
