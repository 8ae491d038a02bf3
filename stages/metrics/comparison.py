"""Challenger against champion on the same images, by resampling their patients."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.intervals import resample
from stages.metrics.scores import ratio

SENSITIVITY = "sensitivity"
SPECIFICITY = "specificity on "  # and the role
TAIL = "val_tail"


@dataclass(frozen=True)
class Paired:
    """Decisions of two models on the same N images, each array (N,).

    role: the validation that the image stands in (an image may stand in several). patient: any
    kind that sorts. label: 0 or 1. challenger, champion: bool, whether each calls pneumonia, at
    its own frozen threshold.
    """

    role: NDArray[np.str_]
    patient: NDArray[np.str_]
    label: NDArray[np.int64]
    challenger: NDArray[np.bool_]
    champion: NDArray[np.bool_]


def differences(
    paired: Paired, *, seed: int, draws: int, confidence: float
) -> dict[str, dict[str, float] | None]:
    """Challenger minus champion: "sensitivity", and "specificity on <role>" for each role.

    (Pneumonia is the same in all roles.) Each is {"value", "low", "high"}, or None where there is
    no image of the class. confidence: of each bound taken alone (one-sided). A draw takes a
    patient's images in all roles together, the same for both models.

    The bounds are percentiles over draws from the patients and two more of each group, whom
    nobody has seen: one on whom the challenger alone is right and one on whom the champion alone
    is, each with the group's mean number of images. Without them, models that decide alike on a
    few patients would look certain to be alike, and all bounds are a little too near (Bonett and
    Price 2012, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based
    on Paired Data", Journal of Educational and Behavioral Statistics 37:479-488).
    """
    right = (paired.challenger == paired.label).astype(np.float64)
    gain = right - (paired.champion == paired.label)
    groups = {SENSITIVITY: (1, paired.label == 1)}
    for role in np.unique(paired.role):
        groups[f"{SPECIFICITY}{role}"] = (0, (paired.label == 0) & (paired.role == role))
    patient = np.unique(paired.patient, return_inverse=True)[1]
    unseen = patient.max(initial=-1) + 1 + np.arange(2 * len(groups)).reshape(-1, 2)
    drawn = resample(
        np.concatenate([patient, unseen.ravel()]),
        np.concatenate([paired.label, np.repeat([label for label, _ in groups.values()], 2)]),
        seed=seed, draws=draws, confidence=confidence,
    )  # fmt: skip
    times = drawn.times.astype(np.float64)
    found: dict[str, dict[str, float] | None] = {}
    for (name, (_, member)), pair in zip(groups.items(), unseen, strict=True):
        images = np.bincount(patient[member], minlength=times.shape[1]).astype(np.float64)
        gained = np.bincount(patient[member], gain[member], times.shape[1])
        if not images.any():
            found[name] = None
            continue
        here = float(gained.sum() / images.sum())
        images[pair] = images.sum() / np.count_nonzero(images)
        gained[pair] = images[pair] * [1, -1]
        values = ratio(times @ gained, times @ images)
        low, high = np.nanquantile(values, [1 - confidence, confidence])
        found[name] = {"value": here, "low": float(low), "high": float(high)}
    return found


def margins(
    roles: Iterable[str], *, sensitivity: float, specificity: float, tail: float
) -> dict[str, float]:
    """The margin of each difference that the gate looks at, by its name in `differences`.

    tail: of specificity on val_tail, which has fewer normals than the other roles
    (docs/tracking.md has the error rates).
    """
    asked = {SENSITIVITY: sensitivity}
    for role in sorted(set(roles)):
        asked[f"{SPECIFICITY}{role}"] = tail if role == TAIL else specificity
    return asked
