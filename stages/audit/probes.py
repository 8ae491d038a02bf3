"""How well the class is told by what says nothing of disease, in each role by itself.

A linear model sees how an image was encoded, or its shape, its outer frame, or a thumbnail, and
nothing else; each image is scored by a model that has seen none of its patient's. Unlike the
baselines of a report, which are fitted on training images, this asks what there is to be learned
in a role, and needs no other role.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.audit.census import Seen
from stages.engine.arrays import Floats
from stages.engine.parallel import map_in_order, prefer_threads
from stages.images.features import FEATURES
from stages.images.ridge import out_of_fold_scores, single_threaded_blas, standardize
from stages.images.splits import hash_order
from stages.metrics.intervals import Draws, Figure, resample
from stages.metrics.ranking import auroc

DRAWS, CONFIDENCE = 200, 0.95
RIDGE = 0.1
MOST_IMAGES = 6000
"""Of a role: enough for any interval, and a bound on memory and time."""
LEAST_PATIENTS = 10
"""Of each class: with fewer, an AUROC says nothing."""


Figures: TypeAlias = dict[str, dict[str, float] | None]


def probe(
    roles: Mapping[str, Seen], *, seed: int, workers: int | None = None
) -> dict[str, Figures]:
    """For each role and probe its AUROC with a 95% interval from resampling patients, 4 decimals.

    None where it has no meaning: too few patients of a class, or images without a file of their
    own (re-acquired copies), whose encoding nobody chose.
    """
    images = {role: _images(seen, seed) for role, seen in roles.items()}
    tasks = [(images[role], name) for role in roles for name in FEATURES]
    with prefer_threads(), single_threaded_blas():
        figures = map_in_order(_figure, tasks, workers=workers, label="probe", total=len(tasks))
        found = iter(list(figures))
    return {role: {name: next(found) for name in FEATURES} for role in roles}


@dataclass(frozen=True)
class _Images:
    """What the probes of a role share. support: patients of the smaller class."""

    columns: dict[str, list[Any]]
    label: NDArray[np.int64]
    thumbnails: NDArray[np.uint8]
    draws: Draws
    support: int
    salt: str


def _images(seen: Seen, seed: int) -> _Images:
    salt = f"{seed}/probe"
    rows = _chosen(seen, salt)
    columns = seen.columns(rows)
    label = np.array(columns["label"], np.int64)
    draws = resample(columns["patient"], label, seed=seed, draws=DRAWS, confidence=CONFIDENCE)
    support = min(map(len, _patients(columns).values()))
    return _Images(columns, label, seen.thumbnails[rows], draws, support, salt)


def _figure(task: tuple[_Images, str]) -> dict[str, float] | None:
    images, name = task
    copies = name == "encoding" and None in images.columns["bytes"]
    if images.support < LEAST_PATIENTS or copies:
        return None
    numbers = standardize(FEATURES[name](images.columns, images.thumbnails))
    scores = np.zeros(len(images.label))
    if numbers.shape[1]:
        scores = out_of_fold_scores(
            numbers, images.label, images.columns["split_group"], salt=images.salt, ridge=RIDGE,
            balanced=True,
        )  # fmt: skip

    def score(weight: Floats) -> dict[str, Floats]:
        return {"auroc": auroc(images.label, scores, weight)}

    return _plain(images.draws.figures(score, {"auroc": images.support})["auroc"])


def _chosen(seen: Seen, salt: str) -> list[int]:
    """All images of a role, or those of its first patients in an order that names alone decide."""
    if len(seen.records) <= MOST_IMAGES:
        return list(range(len(seen.records)))
    order = {name: n for n, name in enumerate(hash_order({r.patient for r in seen.records}, salt))}
    rows = sorted(range(len(seen.records)), key=lambda row: order[seen.records[row].patient])
    return sorted(rows[:MOST_IMAGES])


def _patients(columns: Mapping[str, list[Any]]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {0: set(), 1: set()}
    for label, patient in zip(columns["label"], columns["patient"], strict=True):
        found[label].add(patient)
    return found


def _plain(figure: Figure) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in vars(figure).items()}
