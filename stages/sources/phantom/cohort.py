"""Who is imaged, where and how often: the controlled experiment, and the names of its files.

With probability `confound` a training image is taken at its class's own site (A for normal,
B for pneumonia), otherwise at A, B or C alike. So

    P(site B | pneumonia) - P(site B | normal) = confound,

the site tells nothing about the class at 0 and everything at 1. The shares are dealt out, not
drawn: they hold to within a patient. The test split does not move with `confound`: its
pneumonia comes from B, its normals half from B and half from C, so a classifier that has
learnt the site loses its specificity there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from stages.sources.phantom.draws import COHORT, Draws
from stages.sources.phantom.lesions import GRADES
from stages.sources.phantom.options import PhantomOptions

# Percent of the patients, by split; what the class balance of the splits rests on.
PNEUMONIA_PERCENT: Final = {"train": 60, "test": 50}
BACTERIAL_PERCENT: Final = 65
# Percent of the patients with 1, 2, ... 6 images.
IMAGES_PERCENT: Final = {1: 48, 2: 23, 3: 13, 4: 8, 5: 5, 6: 3}

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """One image's child, before any site: all that decides anatomy, pose and lesion.

    kind: normal, bacterial or viral. grade: 0 normal, 1 subtle, 2 moderate, 3 plain.
    """

    seed: int
    patient: int
    image: int
    kind: str
    grade: int


@dataclass(frozen=True)
class Planned:
    """A view, the site where it is taken, and the path that the image is given."""

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


def plan(options: PhantomOptions) -> list[Planned]:
    """Every image of the cohort, sorted by path."""
    patients = [
        *_patients(options, "train", 0, options.patients_train),
        *_patients(options, "test", options.patients_train, options.patients_test),
    ]
    return sorted(_named(options.seed, patients), key=lambda planned: planned.path)


def site_shares(split: str, label: int, confound: float) -> dict[str, float]:
    """Share of the patients of a class (1 pneumonia, 0 normal) that each site images."""
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
    """`count` values in the given shares, rounded along their sum, in random order."""
    dealt: list[T] = []
    reached = 0.0
    for value, share in shares.items():
        reached += share
        dealt += [value] * (min(round(reached * count), count) - len(dealt))
    return _shuffled(draws, dealt)


def _shuffled(draws: Draws, values: Sequence[T]) -> list[T]:
    return [values[int(i)] for i in draws.rng.permutation(len(values))]


def _named(seed: int, patients: list[_Patient]) -> list[Planned]:
    """Names in the grammar of the real set; numbers carry neither split nor site nor grade."""
    draws = Draws(seed, COHORT, 2)
    planned: list[Planned] = []
    series = {"bacterial": [], "viral": [], "IM": [], "NORMAL2-IM": []}  # type: dict[str, list[_Patient]]
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
                planned.append(Planned(path, view, patient.site))
    return planned


def _normal_name(series: str, number: int, image: int, images: int) -> str:
    suffix = f"-{image + 1:04d}" if images > 1 else ""
    return f"NORMAL/{series}-{number:04d}-0001{suffix}.jpeg"


def _pneumonia_name(kind: str, number: int, serial: int) -> str:
    organism = "bacteria" if kind == "bacterial" else "virus"
    return f"PNEUMONIA/person{number}_{organism}_{serial}.jpeg"
