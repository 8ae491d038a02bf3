"""How well the class is told by what says nothing of disease, in each role by itself.

A linear model sees how a film was encoded, or its shape, its outer frame, or a thumbnail, and
nothing else; each film is scored by a model that has seen none of its patient's. Unlike the
baselines of a report, which are fitted on training films, this asks what there is to be learned
in a role, and needs no other role.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.images.census import Seen
from stages.images.features import FEATURES
from stages.images.linear import out_of_fold, standardised
from stages.images.splits import shuffled
from stages.metrics.intervals import Figure, resample
from stages.metrics.scores import Floats, auroc

DRAWS, CONFIDENCE = 200, 0.95
RIDGE = 0.1
MOST_FILMS = 6000
"""Of a role: enough for any interval, and a bound on memory and time."""
LEAST_PATIENTS = 10
"""Of each class: with fewer, an AUROC says nothing."""


def probe(roles: Mapping[str, Seen], *, seed: int) -> dict[str, dict[str, dict[str, float] | None]]:
    """For each role and probe its AUROC with a 95% interval from resampling patients, 4 decimals.

    None where it has no meaning: too few patients of a class, or films without a file of their
    own (re-acquired copies), whose encoding nobody chose.
    """
    return {role: _of_role(seen, f"{seed}/probe", seed) for role, seen in roles.items()}


def _of_role(seen: Seen, salt: str, seed: int) -> dict[str, dict[str, float] | None]:
    rows = _chosen(seen, salt)
    columns = {name: [values[row] for row in rows] for name, values in seen.columns().items()}
    label = np.array(columns["label"], np.int64)
    fewest = min(map(len, _patients(columns).values()))
    if fewest < LEAST_PATIENTS:
        return dict.fromkeys(FEATURES)
    thumbnails = seen.thumbnails[rows]
    draws = resample(columns["patient"], label, seed=seed, draws=DRAWS, confidence=CONFIDENCE)
    found: dict[str, dict[str, float] | None] = {}
    for name, features in FEATURES.items():
        if name == "encoding" and None in columns["bytes"]:
            found[name] = None
            continue
        numbers = standardised(features(columns, thumbnails))
        scores = (
            out_of_fold(
                numbers, label, columns["split_group"], salt=salt, ridge=RIDGE, balanced=True
            )
            if numbers.shape[1]
            else np.zeros(len(label))
        )

        def score(weight: Floats, scores: Floats = scores) -> dict[str, Floats]:
            return {"auroc": auroc(label, scores, weight)}

        found[name] = _plain(draws.figures(score, {"auroc": fewest})["auroc"])
    return found


def _chosen(seen: Seen, salt: str) -> list[int]:
    """All films of a role, or those of its first patients in an order that names alone decide."""
    if len(seen.records) <= MOST_FILMS:
        return list(range(len(seen.records)))
    order = {name: n for n, name in enumerate(shuffled({r.patient for r in seen.records}, salt))}
    rows = sorted(range(len(seen.records)), key=lambda row: order[seen.records[row].patient])
    return sorted(rows[:MOST_FILMS])


def _patients(columns: Mapping[str, list[Any]]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {0: set(), 1: set()}
    for label, patient in zip(columns["label"], columns["patient"], strict=True):
        found[label].add(patient)
    return found


def _plain(figure: Figure) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in vars(figure).items()}
