"""Plan which patients are imaged, where and how often, and the names of the files.

This is the controlled experiment. With probability `confound` a training patient is imaged at the
site of the class (A for normal, B for pneumonia), otherwise at A, B or C with equal probability:

    P(site B | pneumonia) - P(site B | normal) = confound.

At 0 the site is independent of the class, at 1 it determines it. The shares are exact to within
one patient, because patients are assigned and not drawn. The test split does not depend on
`confound`: its pneumonia images come from B, its normal ones half from B and half from C, so a
classifier that learned the site loses its specificity there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from stages.sources.phantom.draws import COHORT, Draws
from stages.sources.phantom.lesions import GRADES
from stages.sources.phantom.options import PhantomOptions

# Percent of the patients of a split.
PNEUMONIA_PERCENT: Final = {"train": 60, "test": 50}
# Percent of the patients with pneumonia.
BACTERIAL_PERCENT: Final = 65
# Percent of the patients, by their number of images.
IMAGES_PERCENT: Final = {1: 48, 2: 23, 3: 13, 4: 8, 5: 5, 6: 3}

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """All that determines anatomy, pose and lesion of one image, whatever the site.

    Attributes:
        seed: Of the cohort.
        patient: Index in the cohort.
        image: Index among the patient's images.
        kind: "normal", "bacterial" or "viral".
        grade: 0 normal, 1 subtle, 2 moderate, 3 obvious.
    """

    seed: int
    patient: int
    image: int
    kind: str
    grade: int


@dataclass(frozen=True)
class PlannedImage:
    """A view, the site that takes it, and the path of the image."""

    path: str
    view: View
    site: str


@dataclass(frozen=True)
class _Patient:
    index: int
    split: str
    kind: str
    grade: int
    site: str
    images: int


def plan(options: PhantomOptions) -> list[PlannedImage]:
    """Return every image of the cohort, sorted by path."""
    patients = [
        *_patients(options, "train", 0, options.patients_train),
        *_patients(options, "test", options.patients_train, options.patients_test),
    ]
    return sorted(_named(options.seed, patients), key=lambda planned: planned.path)


def site_shares(split: str, label: int, confound: float) -> dict[str, float]:
    """Return the share of the patients of a class (1 pneumonia, 0 normal) that each site images."""
    if split == "test":
        return {"B": 1.0} if label else {"B": 0.5, "C": 0.5}
    home = "B" if label else "A"
    return {site: (1 - confound) / 3 + confound * (site == home) for site in "ABC"}


def _patients(options: PhantomOptions, split: str, first: int, count: int) -> list[_Patient]:
    draws = Draws(options.seed, COHORT, 0 if split == "train" else 1)
    ill = round(count * PNEUMONIA_PERCENT[split] / 100)
    labels = _deal(draws, {1: ill / count, 0: 1 - ill / count}, count)
    sites = {
        label: iter(_deal(draws, site_shares(split, label, options.confound), labels.count(label)))
        for label in (0, 1)
    }
    kinds = iter(_deal(draws, {"bacterial": BACTERIAL_PERCENT / 100, "viral": 1.0}, ill))
    weights = [grade.weight for grade in GRADES.values()]
    return [
        _Patient(
            index=first + offset,
            split=split,
            kind=next(kinds) if label else "normal",
            grade=draws.pick(list(GRADES), weights) if label else 0,
            site=next(sites[label]),
            images=draws.pick(list(IMAGES_PERCENT), list(IMAGES_PERCENT.values())),
        )
        for offset, label in enumerate(labels)
    ]


def _deal(draws: Draws, shares: dict[T, float], count: int) -> list[T]:
    """Return `count` values in random order; each share is exact to within one value."""
    dealt: list[T] = []
    reached = 0.0
    for value, share in shares.items():
        reached += share
        dealt += [value] * (min(round(reached * count), count) - len(dealt))
    return _shuffled(draws, dealt)


def _shuffled(draws: Draws, values: Sequence[T]) -> list[T]:
    return [values[int(i)] for i in draws.rng.permutation(len(values))]


def _named(seed: int, patients: list[_Patient]) -> list[PlannedImage]:
    """Name images like the real set; numbers depend on neither split, site nor grade."""
    draws = Draws(seed, COHORT, 2)
    planned: list[PlannedImage] = []
    series: dict[str, list[_Patient]] = {
        name: [] for name in ("bacterial", "viral", "IM", "NORMAL2-IM")
    }
    for patient in _shuffled(draws, patients):
        if patient.kind == "normal":
            series["IM" if draws.chance(0.5) else "NORMAL2-IM"].append(patient)
        else:
            series[patient.kind].append(patient)
    for name, members in series.items():
        serial = 0
        for number, patient in enumerate(members, start=1):
            for image in range(patient.images):
                serial += 1
                view = View(seed, patient.index, image, patient.kind, patient.grade)
                path = f"{patient.split}/" + (
                    _normal_name(name, number, image, patient.images)
                    if patient.kind == "normal"
                    else _pneumonia_name(name, number, serial)
                )
                planned.append(PlannedImage(path, view, patient.site))
    return planned


def _normal_name(series: str, number: int, image: int, images: int) -> str:
    suffix = f"-{image + 1:04d}" if images > 1 else ""
    return f"NORMAL/{series}-{number:04d}-0001{suffix}.jpeg"


def _pneumonia_name(kind: str, number: int, serial: int) -> str:
    organism = "bacteria" if kind == "bacterial" else "virus"
    return f"PNEUMONIA/person{number}_{organism}_{serial}.jpeg"
