"""Probes: how well can the class be predicted without looking at the anatomy?

A linear model gets how an image was encoded, or its shape, its outer frame, or a thumbnail, and
nothing else; each image is scored by a model that was fitted on other patients. The baselines of
a report are fitted on training images; a probe measures what could be learned within a role, and
needs no other role.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stages.audit.collector import RoleImages, Value
from stages.engine.arrays import Flags, Floats, GrayImages, Labels, Numbers
from stages.engine.parallel import map_in_order, prefer_threads
from stages.images.features import FEATURES, Columns, Features
from stages.images.ridge import out_of_fold_scores, single_threaded_blas, standardize
from stages.images.splits import hash_order
from stages.metrics.intervals import Draws, resample
from stages.metrics.ranking import auroc

DRAWS, CONFIDENCE = 200, 0.95
RIDGE = 0.1
MAX_IMAGES = 6000
"""Of a role: enough for any interval, and a bound on memory and time."""
MIN_PATIENTS = 10
"""Of each class: with fewer, an AUROC means nothing."""

SOURCE = "source"
"""The probe that is given an image's source and nothing else."""

Figure: TypeAlias = dict[str, float]
"""An AUROC: "value", and the "low" and "high" end of its interval."""

Figures: TypeAlias = dict[str, Figure | None]
"""A figure for each probe; None where it has no meaning."""


def probe(
    roles: Mapping[str, RoleImages], *, seed: int, workers: int | None = None
) -> dict[str, Figures]:
    """Compute each role's AUROC for each probe, with a 95% interval from resampling patients.

    Where the images are of several sources, one more probe is given the source alone. Figures have
    4 decimals. A figure is None where it has no meaning: too few patients of a class, images
    without a file of their own (re-acquired copies), whose encoding is arbitrary, or one source.
    """
    samples = {role: _sample(images, seed) for role, images in roles.items()}
    several = any(len(set(sample.columns["source"])) > 1 for sample in samples.values())
    names = [*FEATURES, *([SOURCE] if several else [])]
    tasks = [(samples[role], name) for role in roles for name in names]
    with prefer_threads(), single_threaded_blas():
        figures = map_in_order(_figure, tasks, workers=workers, label="probe", total=len(tasks))
        remaining = iter(list(figures))
    return {role: {name: next(remaining) for name in names} for role in roles}


@dataclass(frozen=True)
class _Sample:
    """What the probes of a role share; `min_patients` are those of the smaller class."""

    columns: dict[str, list[Value]]
    groups: list[str]
    label: Labels
    thumbnails: GrayImages
    draws: Draws
    min_patients: int
    salt: str


def _sample(images: RoleImages, seed: int) -> _Sample:
    salt = f"{seed}/probe"
    rows = _choose_rows(images, salt)
    records = [images.records[row] for row in rows]
    label = np.array([record.label for record in records], np.int64)
    patients = [record.patient for record in records]
    draws = resample(patients, label, seed=seed, draws=DRAWS, confidence=CONFIDENCE)
    return _Sample(
        columns=images.columns(rows),
        groups=[record.split_group for record in records],
        label=label,
        thumbnails=images.thumbnails[rows],
        draws=draws,
        min_patients=min(_count_patients(patients, label)),
        salt=salt,
    )


def _figure(task: tuple[_Sample, str]) -> Figure | None:
    sample, name = task
    never_encoded = name == "encoding" and None in sample.columns["bytes"]
    if sample.min_patients < MIN_PATIENTS or never_encoded:
        return None
    if name == SOURCE and len(set(sample.columns["source"])) == 1:
        return None
    features = standardize(_PROBES[name](sample.columns, sample.thumbnails))
    scores = np.zeros(len(sample.label))
    if features.shape[1]:
        scores = out_of_fold_scores(
            features, sample.label, sample.groups, salt=sample.salt, ridge=RIDGE, balanced=True
        )

    def score(weight: Floats) -> dict[str, Floats]:
        return {"auroc": auroc(sample.label, scores, weight)}

    figure = sample.draws.figures(score, {"auroc": sample.min_patients})["auroc"]
    return {name: round(float(value), 4) for name, value in vars(figure).items()}


def _source(columns: Columns, _: Numbers) -> Floats:
    """Which source the image is of, one column each."""
    sources = np.asarray(columns["source"])
    member: Flags = np.equal(sources[:, None], np.unique(sources))
    return member.astype(np.float64)


_PROBES: Mapping[str, Features] = {**FEATURES, SOURCE: _source}


def _choose_rows(images: RoleImages, salt: str) -> list[int]:
    """Choose all images of a role, or MAX_IMAGES of them by a hash of their patients' names."""
    if len(images.records) <= MAX_IMAGES:
        return list(range(len(images.records)))
    patients = hash_order({record.patient for record in images.records}, salt)
    place = {patient: number for number, patient in enumerate(patients)}
    rows = sorted(range(len(images.records)), key=lambda row: place[images.records[row].patient])
    return sorted(rows[:MAX_IMAGES])


def _count_patients(patients: Sequence[str], label: Labels) -> tuple[int, int]:
    """Number of patients with a negative image, and with a positive image."""
    pairs = set(zip(patients, label.tolist(), strict=True))
    return sum(label == 0 for _, label in pairs), sum(label == 1 for _, label in pairs)
