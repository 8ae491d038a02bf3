"""One recipe, several seeds: trained through DVC, told as mean, spread and intervals."""

import copy
from typing import Any

import yaml

from stages.engine import keys
from stages.engine.errors import InputError
from stages.history import experiments
from stages.history.experiments import Experiment
from stages.settings import params, paths, section
from stages.settings.digests import JUDGED
from stages.studies.seeds_table import spread_table


def table(count: int, prefix: str, settings: list[str], *, test: bool = False) -> str:
    """Train with train.seed 0 to count - 1 where that is not done yet; the figures as Markdown.

    Each is the experiment `prefix`-k of the commit at hand; one that exists with the same params
    and code is taken as it is. settings: "key=value", further changes of params.yaml. test:
    judge each on the test split as well, which is for the recipe that ships. The workspace is put
    back as it was.

    Raises InputError where a name is taken by another recipe, or a training fails.
    """
    if count < 1:
        raise InputError(f"seeds: expected a number from 1, received {count}")
    wanted = {f"{prefix}-{k}": [*settings, f"train.seed={k}"] for k in range(count)}
    trees = {name: changed(section.read(), changes) for name, changes in wanted.items()}
    params.check(trees[f"{prefix}-0"])  # before the first training, not in it
    there = _finished()
    for name in wanted.keys() & there.keys():  # all of them before any is trained
        _refuse_other(there[name], trees[name])
    figures = {name: _figures(there.get(name), test) for name in wanted}
    missing = [name for name in wanted if figures[name] is None]
    if missing:
        with experiments.restored_workspace():
            for name in missing:
                if name in there:  # trained: DVC brings that back, and judges it
                    experiments.remove(name)
                experiments.train(name, wanted[name], "evaluate" if test else experiments.TARGET)
        there = _finished()
    return spread_table({name: _figures(there[name], test) or {} for name in wanted})


def _figures(found: Experiment | None, test: bool) -> dict[str, Any] | None:
    """Figures by role, None where there are none yet."""
    if found is None or found.validation is None or not test:
        return found.validation if found else None
    judged = experiments.metrics_at(found.rev)
    return {"test": judged["test"], **found.validation} if judged else None


def changed(tree: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """A copy of the params `tree` with "key=value" settings, whose values are YAML.

    Raises InputError where a setting is no such pair, or its key is not in the tree.
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


def _finished() -> dict[str, Experiment]:
    return {found.name: found for found in experiments.list_experiments()[1] if found.validation}


def _refuse_other(found: Experiment, wanted: dict[str, Any]) -> None:
    changes = keys.differences(
        {name: found.params.get(name) for name in JUDGED}, {name: wanted[name] for name in JUDGED}
    )
    told = [f"{key} is {was} there and {now} here" for key, (was, now) in changes.items()]
    told += [f"{path} has changed since" for path in experiments.changed_code(found.rev)]
    if told:
        raise InputError(
            f"experiment {found.name}: expected this recipe, received another ({'; '.join(told)}); "
            f"give --name another prefix, or remove it by `dvc exp remove {found.name}`"
        )
