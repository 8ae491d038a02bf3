"""Compare the decisions of a challenger and a champion on the same images."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Labels
from stages.metrics.intervals import resample
from stages.metrics.ratio import ratio

_SENSITIVITY = "sensitivity"
_SPECIFICITY = "specificity on {role}"
_TAIL = "val_tail"


@dataclass(frozen=True)
class DecisionPairs:
    """Decisions of two models on the same N images, each array (N,).

    Attributes:
        role: The validation that the image stands in (an image may stand in several).
        patient: Of any type that sorts.
        label: 0 or 1.
        challenger: Whether it calls the image pneumonia, at its own frozen threshold.
        champion: Whether this one does.
    """

    role: NDArray[np.str_]
    patient: NDArray[np.str_]
    label: Labels
    challenger: Flags
    champion: Flags


def decision_differences(
    paired: DecisionPairs, *, seed: int, draws: int, confidence: float
) -> dict[str, dict[str, float] | None]:
    """Compute challenger minus champion in sensitivity, and in specificity on each role.

    (Pneumonia is the same in all roles.) A draw takes a patient's images in all roles together,
    the same for both models.

    The bounds are percentiles over draws from the patients and two more, invented ones in each
    group: one on whose images only the challenger is right and one on whose only the champion is,
    each with the group's mean number of images. Without them, models that decide alike on a few
    patients would look certain to be alike, and all bounds would be a little too narrow (Bonett
    and Price 2012, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions
    Based on Paired Data", Journal of Educational and Behavioral Statistics 37:479-488).

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
    gain = right - (paired.champion == paired.label)
    groups = {_SENSITIVITY: (1, paired.label == 1)}
    for role in np.unique(paired.role):
        of_role = (paired.label == 0) & (paired.role == role)
        groups[_SPECIFICITY.format(role=role)] = (0, of_role)
    patient = np.unique(paired.patient, return_inverse=True)[1]
    invented = patient.max(initial=-1) + 1 + np.arange(2 * len(groups)).reshape(-1, 2)
    invented_labels = np.repeat([label for label, _ in groups.values()], 2)
    drawn = resample(
        np.concatenate([patient, invented.ravel()]),
        np.concatenate([paired.label, invented_labels]),
        seed=seed,
        draws=draws,
        confidence=confidence,
    )
    times = drawn.times.astype(np.float64)
    found: dict[str, dict[str, float] | None] = {}
    for (name, (_, member)), pair in zip(groups.items(), invented, strict=True):
        images = np.bincount(patient[member], minlength=times.shape[1]).astype(np.float64)
        gained = np.bincount(patient[member], gain[member], times.shape[1])
        if not images.any():
            found[name] = None
            continue
        value = float(gained.sum() / images.sum())
        images[pair] = images.sum() / np.count_nonzero(images)
        gained[pair] = images[pair] * [1, -1]
        values = ratio(times @ gained, times @ images)
        low, high = np.nanquantile(values, [1 - confidence, confidence])
        found[name] = {"value": value, "low": float(low), "high": float(high)}
    return found


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
