"""The gate's error rates: `python -m tests.bench.gate [--draws 1000]`.

Draws pairs of models whose true difference is known, at the size of the shift validations of the
real training images, and counts how often the gate lets the challenger pass. Prints one line per
case. Sizes, rates and the share of images on which two models disagree are those of two recipes
(120 and 160 px) on the real images: sensitivity 0.95 and 0.94 (1.5% of the images decided
otherwise), specificity 0.93 on val_matched (4.1%) and 0.82 on val_tail (5.3%). In the cases
"apart", the models disagree on twice as many images.
"""

import argparse
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from stages.metrics.comparison import DecisionPairs, decision_differences, difference_margins
from stages.registry.options import RuleOptions
from stages.registry.rule import Verdict, not_worse
from stages.settings import params

SICK_PATIENTS, SICK_IMAGES = 311, 525
NORMAL_PATIENTS, NORMALS, COPIES = 154, 171, 5
TAIL_PATIENTS, TAIL_NORMALS = 131, 136
SENSITIVITY, SPECIFICITY, TAIL_SPECIFICITY = 0.95, 0.93, 0.82
ALIKE, APART = (0.985, 0.91), (0.94, 0.66)
"""Correlation of two models' scores on an image of pneumonia and on a normal one, found so that
they disagree as often as above, and twice as often."""
COPY_SHARED = 0.6
"""Of the part of a score that is one model's own, the share that all copies of a normal have."""


@dataclass(frozen=True)
class Case:
    """How much worse a challenger truly is, and how alike the two models are.

    Attributes:
        name: Of the case.
        sensitivity: The challenger's deficit.
        matched: Its deficit in specificity on val_matched.
        tailed: Its deficit in specificity on val_tail.
        correlation: Of its scores with the champion's, on pneumonia and on normals.
        tail: Whether there is a val_tail.
    """

    name: str
    sensitivity: float = 0.0
    matched: float = 0.0
    tailed: float = 0.0
    correlation: tuple[float, float] = ALIKE
    tail: bool = True


CASES = (
    Case("equal"),
    Case("equal, no val_tail", tail=False),
    Case("3 points of sensitivity", sensitivity=0.03),
    Case("5 points of specificity", matched=0.05, tailed=0.05),
    Case("5 points, no val_tail", matched=0.05, tail=False),
    Case("5 points on val_matched alone", matched=0.05),
    Case("5 points on val_tail alone", tailed=0.05),
    Case("7.5 points on val_tail alone", tailed=0.075),
    Case("equal, apart", correlation=APART),
    Case("3 points of sensitivity, apart", sensitivity=0.03, correlation=APART),
    Case("5 points of specificity, apart", matched=0.05, tailed=0.05, correlation=APART),
    Case("equal, apart, no val_tail", correlation=APART, tail=False),
    Case("3 points, apart, no val_tail", sensitivity=0.03, correlation=APART, tail=False),
    Case("5 points, apart, no val_tail", matched=0.05, correlation=APART, tail=False),
)


@dataclass(frozen=True)
class _Group:
    """Images of one class in one role: scores of challenger and champion, each (N,).

    Attributes:
        role: The validation.
        label: 0 or 1.
        patient: A number for each image's patient.
        scores: Standard normal, of challenger and champion.
        rate: Share of the images that the champion decides rightly.
        deficit: How much less the challenger's share is.
    """

    role: str
    label: int
    patient: NDArray[np.int64]
    scores: tuple[NDArray[np.float64], NDArray[np.float64]]
    rate: float
    deficit: float

    def decisions(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether challenger and champion call each image pneumonia."""
        challenger, champion = self.scores
        return (
            _called(challenger, self.rate - self.deficit, self.label),
            _called(champion, self.rate, self.label),
        )


def draw(case: Case, generator: np.random.Generator) -> DecisionPairs:
    """Draw one pair of models on one sample of patients."""
    of_sick, of_normal = case.correlation
    sick = _patients(SICK_PATIENTS, SICK_IMAGES, generator)
    normal = np.repeat(_patients(NORMAL_PATIENTS, NORMALS, generator), COPIES)
    copied = np.repeat(np.arange(NORMALS), COPIES)
    sick_scores = _scores(np.arange(SICK_IMAGES), sick, of_sick, generator)
    normal_scores = _scores(copied, normal, of_normal, generator)
    lost = case.sensitivity
    groups = [
        _Group("val_matched", 1, sick, sick_scores, SENSITIVITY, lost),
        _Group("val_matched", 0, normal + 1000, normal_scores, SPECIFICITY, case.matched),
    ]
    if case.tail:
        tail = _patients(TAIL_PATIENTS, TAIL_NORMALS, generator)
        tail_scores = _scores(np.arange(TAIL_NORMALS), tail, of_normal, generator)
        groups += [
            _Group("val_tail", 1, sick, sick_scores, SENSITIVITY, lost),
            _Group("val_tail", 0, tail + 2000, tail_scores, TAIL_SPECIFICITY, case.tailed),
        ]
    decisions = [group.decisions() for group in groups]
    return DecisionPairs(
        role=np.concatenate([[group.role] * len(group.patient) for group in groups]),
        patient=np.concatenate([group.patient.astype(str) for group in groups]),
        label=np.concatenate([np.full(len(group.patient), group.label) for group in groups]),
        challenger=np.concatenate([challenger for challenger, _ in decisions]),
        champion=np.concatenate([champion for _, champion in decisions]),
    )


def _patients(patients: int, images: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw the patient of each image: one image each, the rest at random."""
    more = generator.integers(0, patients, images - patients)
    return np.sort(np.concatenate([np.arange(patients), more]))


def _scores(
    image: NDArray[np.int64],
    patient: NDArray[np.int64],
    correlation: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw standard normal scores of challenger and champion, alike within patient and image.

    Of the part that both share, 0.3 is the patient's, 0.4 the image's and the rest the copy's.
    """

    def shared(index: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(generator.standard_normal(index.max() + 1))[index]

    def noise() -> NDArray[np.float64]:
        return generator.standard_normal(len(image))

    both = math.sqrt(0.3) * shared(patient) + math.sqrt(0.4) * shared(image)
    both += math.sqrt(0.3) * noise()
    own = [
        math.sqrt(COPY_SHARED) * shared(image) + math.sqrt(1 - COPY_SHARED) * noise()
        for _ in range(2)
    ]
    of_both, of_one = math.sqrt(correlation), math.sqrt(1 - correlation)
    return of_both * both + of_one * own[0], of_both * both + of_one * own[1]


def _called(score: NDArray[np.float64], share: float, label: int) -> NDArray[np.bool_]:
    """Whether pneumonia is called, if a share of the images is decided rightly."""
    right = score < NormalDist().inv_cdf(share)
    return right if label else ~right


def promoted(paired: DecisionPairs, rule: RuleOptions, seed: int) -> bool:
    """Whether the gate's comparison lets the challenger pass."""
    found = decision_differences(paired, seed=seed, draws=rule.draws, confidence=rule.confidence)
    margins = difference_margins(
        paired.role,
        sensitivity=rule.margin_sensitivity,
        specificity=rule.margin_specificity,
        tail=rule.margin_tail,
    )
    return Verdict(not_worse(found, margins)).passed


def main() -> None:
    """Print the rate of every case."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gate")
    parser.add_argument("--draws", type=int, default=1000)
    count = parser.parse_args().draws
    rule = params.load().register.rule
    print(
        f"{count} draws; margins: sensitivity {rule.margin_sensitivity:g}, specificity "
        f"{rule.margin_specificity:g}, on val_tail {rule.margin_tail:g}"
    )
    for case in CASES:
        passed, apart = 0, np.zeros(2)
        for number in range(count):
            paired = draw(case, np.random.default_rng([0, number]))
            passed += promoted(paired, rule, number)
            differ = paired.challenger != paired.champion
            first = paired.role == "val_matched"
            apart += [differ[first & (paired.label == label)].mean() for label in (1, 0)]
        sick, normal = apart / count
        print(
            f"{case.name:32} promoted {passed / count:6.1%}   "
            f"(images decided otherwise: {sick:.1%} of pneumonia, {normal:.1%} of normals)"
        )


if __name__ == "__main__":
    main()
