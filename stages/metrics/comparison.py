"""Compare the decisions of a challenger and a champion on the same images."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Labels
from stages.metrics.group_means import Group, drawn_means

_SENSITIVITY = "sensitivity"
_SPECIFICITY = "specificity on {role}"
_TAIL = "val_tail"


Decisions: TypeAlias = NDArray[np.int8]
"""Of N images: 1 (pneumonia), 0 (normal) or REFUSED, which is right of neither class."""

REFUSED: Final = -1
"""The decision of a model that refuses an image."""


@dataclass(frozen=True)
class DecisionPairs:
    """Decisions of two models on the same N images, each array (N,).

    Attributes:
        role: The validation that the image stands in (an image may stand in several).
        patient: Of any type that sorts.
        label: 0 or 1.
        challenger: What it decides at its own frozen threshold.
        champion: What this one does.
    """

    role: NDArray[np.str_]
    patient: NDArray[np.str_]
    label: Labels
    challenger: Decisions
    champion: Decisions


def decision_differences(
    paired: DecisionPairs, *, seed: int, draws: int, confidence: float
) -> dict[str, dict[str, float] | None]:
    """Compute challenger minus champion in sensitivity, and in specificity on each role.

    (Pneumonia is the same in all roles.) A draw takes a patient's images in all roles together,
    the same for both models.

    The bounds are percentiles over draws from the patients and two more, invented ones in each
    group (`group_means`): one on whose images only the challenger is right and one on whose only
    the champion is (Bonett and Price 2012, "Adjusted Wald Confidence Interval for a Difference of
    Binomial Proportions Based on Paired Data", Journal of Educational and Behavioral Statistics
    37:479-488).

    Args:
        paired: The decisions.
        seed: Of the draws.
        draws: How many.
        confidence: Of each bound taken alone (one-sided).

    Returns:
        "sensitivity" and "specificity on <role>", each {"value", "low", "high"}, or None where
        there is no image of the class.
    """
    right = (paired.challenger == paired.label).astype(np.float64)
    groups = {_SENSITIVITY: Group(1, paired.label == 1)}
    for role in np.unique(paired.role):
        of_role = (paired.label == 0) & (paired.role == role)
        groups[_SPECIFICITY.format(role=role)] = Group(0, of_role)
    means = drawn_means(
        right - (paired.champion == paired.label),
        groups,
        paired.patient,
        paired.label,
        invented=(1.0, -1.0),
        seed=seed,
        draws=draws,
    )
    found: dict[str, dict[str, float] | None] = {}
    for name, mean in means.items():
        if mean is None:
            found[name] = None
            continue
        low, high = np.nanquantile(mean.drawn, [1 - confidence, confidence])
        found[name] = {"value": mean.value, "low": float(low), "high": float(high)}
    return found


def refused_images(paired: DecisionPairs) -> str | None:
    """Return how many images each of the two models refuses, in words; None if neither does."""
    challenger, champion = (
        int((each == REFUSED).sum()) for each in (paired.challenger, paired.champion)
    )
    if not challenger and not champion:
        return None
    return f"{challenger} of {len(paired.label)} images, by the champion {champion}"


def difference_margins(
    roles: Iterable[str], *, sensitivity: float, specificity: float, tail: float
) -> dict[str, float]:
    """Return the margin of each difference that the gate judges, by the difference's name.

    Args:
        roles: In which there are images.
        sensitivity: Its margin, 0 to 1.
        specificity: Its margin on each role but val_tail.
        tail: The margin of specificity on val_tail, which has fewer normals than the other roles
            (docs/tracking.md has the error rates).
    """
    margins = {_SENSITIVITY: sensitivity}
    for role in sorted(set(roles)):
        margins[_SPECIFICITY.format(role=role)] = tail if role == _TAIL else specificity
    return margins
