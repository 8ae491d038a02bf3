"""What would other rules for the decision threshold have done? `pneumonia study thresholds`.

Each rule is fitted on half of the validation patients and judged on the other half. A rule that is
judged on the images it was fitted on looks better than it is, and one that was fitted on random
normals must not be trusted on random normals: what counts is the least figure over the roles, above
all those on which no rule was fitted (val_tail).
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import Floats
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.images.shards import open_shards
from stages.metrics.pages.text import markdown_table
from stages.network import operating_point, predict
from stages.network.operating_point import Pool, equal_error, fixed_sensitivity
from stages.settings import paths
from stages.sources.source_file import listed

FITTED, MATCHED = "val", "val_matched"
REPEATS = 5
_LEVEL = 0.95

Rule: TypeAlias = Callable[[Pool, Pool], float]
"""From the pools of val and val_matched to a cut on the logit."""


@dataclass(frozen=True)
class Outcome:
    """What a rule does, as shares from 0 to 1.

    Attributes:
        sensitivity: Pneumonia images that are called pneumonia.
        specificity: Normal images that are called normal, by role.
    """

    sensitivity: float
    specificity: dict[str, float]

    @property
    def least(self) -> float:
        """Balanced accuracy on the role where it is lowest."""
        return (self.sensitivity + min(self.specificity.values())) / 2


def run(sensitivity: float | None) -> str:
    """Return the table of the rules in Markdown.

    On phantoms it includes test, which no choice on real images may see.

    Args:
        sensitivity: `train.decision_sensitivity`; its row is added.

    Raises:
        InputError: The shards have no val_matched, which half of the rules need.
    """
    shards = open_shards(paths.SHARDS)
    if MATCHED not in shards.roles:
        raise InputError(
            f"{paths.SHARDS}: expected the role {MATCHED}, received {', '.join(shards.roles)}; "
            "set preprocess.matched_donors above 0 and run `dvc repro`"
        )
    logits = predict.predictor(predict.load_model(paths.MODEL / "model.keras"))
    roles = [FITTED, MATCHED, *(name for name in shards.roles if name == "val_tail")]
    if all(source["synthetic"] for source in listed(read_json(paths.SOURCE))):
        roles.append("test")
    pools = {}
    for name in roles:
        role = shards.role(name)
        pools[name] = operating_point.pool(role.records, logits(role.pixels))
    test = pools.pop("test", None)
    return format_table(pools, test, sensitivity)


def cross_fit(pools: Mapping[str, Pool], rule: Rule) -> Outcome:
    """Fit a rule's cut on one half of the patients and apply it to the other.

    Args:
        pools: By role, "val" and "val_matched" among them.
        rule: What is fitted.

    Returns:
        The mean over REPEATS divisions of the patients, and both ways of each.
    """
    patients = np.unique(np.concatenate([pool.patients for pool in pools.values()]))
    sensitivity: list[float] = []
    specificity: dict[str, list[float]] = {role: [] for role in pools}
    for repeat in range(REPEATS):
        order = np.random.default_rng([0, repeat]).permutation(len(patients))
        half = patients[order[: len(patients) // 2]]
        for inside in (True, False):
            fitted = {role: _part(pools[role], half, inside) for role in (FITTED, MATCHED)}
            cut = rule(fitted[FITTED], fitted[MATCHED])
            rest = {role: _part(pool, half, not inside) for role, pool in pools.items()}
            sensitivity.append(float(np.mean(_pneumonia(rest[FITTED]) >= cut)))
            for role, pool in rest.items():
                specificity[role].append(float(np.mean(_normal(pool) < cut)))
    means = {role: statistics.fmean(values) for role, values in specificity.items()}
    return Outcome(statistics.fmean(sensitivity), means)


def apply_to_test(pools: Mapping[str, Pool], rule: Rule, test: Pool) -> Outcome:
    """Fit a rule's cut on all validation patients and apply it to images that no rule saw."""
    cut = rule(pools[FITTED], pools[MATCHED])
    sensitivity = float(np.mean(_pneumonia(test) >= cut))
    return Outcome(sensitivity, {"test": float(np.mean(_normal(test) < cut))})


def format_table(
    pools: Mapping[str, Pool], test: Pool | None, sensitivity: float | None = None
) -> str:
    """Judge every rule and format one row for each, as Markdown; on `test` too, where given."""
    rules = RULES if sensitivity is None else {**RULES, **_stated(sensitivity)}
    header = ["Rule", "Sensitivity", *(f"Specificity, {role}" for role in pools)]
    header += ["Balanced accuracy, least"]
    header += [] if test is None else ["test: sensitivity", "specificity", "balanced accuracy"]
    rows = []
    for name, rule in rules.items():
        outcome = cross_fit(pools, rule)
        values = [outcome.sensitivity, *outcome.specificity.values(), outcome.least]
        if test is not None:
            there = apply_to_test(pools, rule, test)
            values += [there.sensitivity, *there.specificity.values(), there.least]
        rows.append([name, *(f"{value:.3f}" for value in values)])
    return markdown_table(header, rows)


def _stated(sensitivity: float) -> dict[str, Rule]:
    """The rule of params, under a name of its own."""
    name = f"sensitivity {sensitivity:g}, train.decision_sensitivity"
    return {name: lambda val, _: fixed_sensitivity(val, sensitivity, seed=0)}


def _part(pool: Pool, patients: npt.NDArray[np.str_], inside: bool) -> Pool:
    """Return the images whose patients are among `patients`, or, not `inside`, are not."""
    chosen = np.isin(pool.patients, patients) == inside
    return Pool(pool.logits[chosen], pool.labels[chosen], pool.patients[chosen])


def _normal(pool: Pool) -> Floats:
    return np.asarray(pool.logits[pool.labels == 0], np.float64)


def _pneumonia(pool: Pool) -> Floats:
    return np.asarray(pool.logits[pool.labels == 1], np.float64)


def _at_specificity(pool: Pool) -> float:
    return float(np.nextafter(np.quantile(_normal(pool), _LEVEL, method="higher"), np.inf))


RULES: dict[str, Rule] = {
    "0.5 as trained": lambda _val, _matched: 0.0,
    "equal error, random normals": lambda val, _: equal_error([val], seed=0),
    "specificity 0.95, random normals": lambda val, _: _at_specificity(val),
    "sensitivity 0.90": lambda val, _: fixed_sensitivity(val, 0.90, seed=0),
    "sensitivity 0.93": lambda val, _: fixed_sensitivity(val, 0.93, seed=0),
    "sensitivity 0.95": lambda val, _: fixed_sensitivity(val, 0.95, seed=0),
    "sensitivity 0.97": lambda val, _: fixed_sensitivity(val, 0.97, seed=0),
    "equal error, matched normals": lambda _, matched: equal_error([matched], seed=0),
    "specificity 0.95, matched normals": lambda _, matched: _at_specificity(matched),
    "equal error, random and matched": lambda val, matched: equal_error([val, matched], seed=0),
}
