"""Rules for the decision threshold, compared: fitted on half of the patients, judged on the rest.

A rule that is judged on the images it was fitted on looks better than it is, and one that was
fitted on random normals must not be believed on random normals: what counts is the least figure
over the roles, the ones that no rule was fitted on (val_tail) above all.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.metrics.pages.text import markdown_table
from stages.network.operating_point import Pool, equal_error

FITTED, MATCHED = "val", "val_matched"
REPEATS = 5
_LEVEL = 0.95


@dataclass(frozen=True)
class Outcome:
    """Shares, 0 to 1: of pneumonia images called pneumonia, of normals called normal by role."""

    sensitivity: float
    specificity: dict[str, float]

    @property
    def least(self) -> float:
        """Balanced accuracy on the role where it is lowest."""
        return (self.sensitivity + min(self.specificity.values())) / 2


def _normal(pool: Pool) -> npt.NDArray[np.float64]:
    return np.asarray(pool.logits[pool.labels == 0], np.float64)


def _ill(pool: Pool) -> npt.NDArray[np.float64]:
    return np.asarray(pool.logits[pool.labels == 1], np.float64)


def _specific(pool: Pool) -> float:
    return float(np.nextafter(np.quantile(_normal(pool), _LEVEL, method="higher"), np.inf))


RULES: dict[str, Callable[[Pool, Pool], float]] = {
    "0.5 as trained": lambda _val, _matched: 0.0,
    "equal error, random normals": lambda val, _: equal_error([val], seed=0),
    "specificity 0.95, random normals": lambda val, _: _specific(val),
    "sensitivity 0.95": lambda val, _: float(np.quantile(_ill(val), 1 - _LEVEL, method="lower")),
    "equal error, matched normals": lambda _, matched: equal_error([matched], seed=0),
    "specificity 0.95, matched normals": lambda _, matched: _specific(matched),
    "equal error, random and matched (shipped)": lambda val, matched: equal_error(
        [val, matched], seed=0
    ),
}
"""From the pools of val and val_matched to a cut on the logit."""


def crossed(pools: Mapping[str, Pool], rule: Callable[[Pool, Pool], float]) -> Outcome:
    """A rule's outcome, its cut fitted on one half of the patients and applied to the other.

    pools: by role, with "val" and "val_matched". The mean over REPEATS divisions and both ways.
    """
    patients = np.unique(np.concatenate([pool.patients for pool in pools.values()]))
    sensitivity: list[float] = []
    specificity: dict[str, list[float]] = {role: [] for role in pools}
    for repeat in range(REPEATS):
        order = np.random.default_rng([0, repeat]).permutation(len(patients))
        first = patients[order[: len(patients) // 2]]
        for inside in (True, False):
            fit = {role: _part(pools[role], first, inside) for role in (FITTED, MATCHED)}
            cut = rule(fit[FITTED], fit[MATCHED])
            rest = {role: _part(pool, first, not inside) for role, pool in pools.items()}
            sensitivity.append(float(np.mean(_ill(rest[FITTED]) >= cut)))
            for role, pool in rest.items():
                specificity[role].append(float(np.mean(_normal(pool) < cut)))
    means = {role: statistics.fmean(values) for role, values in specificity.items()}
    return Outcome(statistics.fmean(sensitivity), means)


def _part(pool: Pool, patients: npt.NDArray[np.str_], inside: bool) -> Pool:
    chosen = np.isin(pool.patients, patients) == inside
    return Pool(pool.logits[chosen], pool.labels[chosen], pool.patients[chosen])


def unseen(pools: Mapping[str, Pool], rule: Callable[[Pool, Pool], float], test: Pool) -> Outcome:
    """A rule's outcome on images that no rule saw, its cut fitted on all validation patients."""
    cut = rule(pools[FITTED], pools[MATCHED])
    called = float(np.mean(_ill(test) >= cut))
    return Outcome(called, {"test": float(np.mean(_normal(test) < cut))})


def thresholds_table(pools: Mapping[str, Pool], test: Pool | None) -> str:
    """One row a rule, as Markdown; with `test`, also what becomes of the rule there."""
    header = ["Rule", "Sensitivity", *(f"Specificity, {role}" for role in pools)]
    header += ["Balanced accuracy, least"]
    header += [] if test is None else ["test: sensitivity", "specificity", "balanced accuracy"]
    rows = []
    for name, rule in RULES.items():
        found = crossed(pools, rule)
        values = [found.sensitivity, *found.specificity.values(), found.least]
        if test is not None:
            there = unseen(pools, rule, test)
            values += [there.sensitivity, *there.specificity.values(), there.least]
        rows.append([name, *(f"{value:.3f}" for value in values)])
    return markdown_table(header, rows)
