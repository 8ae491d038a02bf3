"""Challenger against champion on the same films, by resampling their patients."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.metrics.intervals import resample
from stages.metrics.scores import Floats, ratio

CLASSES = {"sensitivity": 1, "specificity": 0}


@dataclass(frozen=True)
class Paired:
    """Decisions of two models on the same N films, each array (N,).

    role: the validation that the film stands in (a film may stand in several). patient: any
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
    """Challenger minus champion in sensitivity and specificity.

    "sensitivity" and "specificity" are means over the roles; where there are several,
    "specificity on <role>" stands beside them. (Pneumonia is the same in all of them.) Each is
    {"value", "low", "high"}, or None where a role has no film of the class. confidence: of each
    bound taken alone (one-sided). A draw takes a patient's films in all roles together, the
    same for both models.

    Where both models decide alike on every film, or one patient is all there is, so does every
    draw, and the percentile interval would claim certainty. With n patients of the class, a true
    share p of others gives none of them with probability (1 - p)^n, hence bounds that lie
    1 - (1 - confidence)^(1/n) off.
    """
    drawn = resample(
        paired.patient, paired.label, seed=seed, draws=draws, confidence=confidence
    )  # fmt: skip
    times = np.concatenate([np.ones((1, drawn.times.shape[1])), drawn.times])
    gain = paired.challenger.astype(np.float64) - paired.champion
    roles = [str(role) for role in np.unique(paired.role)]
    found: dict[str, dict[str, float] | None] = {}
    for name, label in CLASSES.items():
        of_class = paired.label == label
        by_role, behind = [], []
        for role in roles:
            member = of_class & (paired.role == role)
            who, signed = drawn.patient[member], gain[member] * (1 if label else -1)
            films = times @ _sum(who, np.ones(len(who)), times.shape[1])
            behind.append(len(np.unique(who)))
            by_role.append(ratio(times @ _sum(who, signed, times.shape[1]), films))
        patients = len(np.unique(drawn.patient[of_class]))
        found[name] = _figure(np.mean(by_role, axis=0), confidence, patients)
        if label == 0 and len(roles) > 1:
            for role, values, count in zip(roles, by_role, behind, strict=True):
                found[f"{name} on {role}"] = _figure(values, confidence, count)
    return found


def margins(roles: Iterable[str], *, sensitivity: float, specificity: float) -> dict[str, float]:
    """The margin of each difference that the gate looks at, by its name in `differences`.

    On top of the means it is the specificity on val_matched; val_tail has too few normals for a
    bound of its own (docs/tracking.md has the error rates).
    """
    asked = {"sensitivity": sensitivity, "specificity": specificity}
    several = set(roles)
    if "val_matched" in several and len(several) > 1:
        asked["specificity on val_matched"] = specificity
    return asked


def _sum(patient: NDArray[np.intp], values: Floats, patients: int) -> Floats:
    """Of the values of each patient's films, float64 (patients,)."""
    return np.bincount(patient, values, patients).astype(np.float64)


def _figure(values: Floats, confidence: float, patients: int) -> dict[str, float] | None:
    """values: the films as they are, then every draw."""
    here, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(here) or not drawn.size:
        return None
    low, high = (float(bound) for bound in np.quantile(drawn, [1 - confidence, confidence]))
    if high - low < 1e-9:
        far = float(1 - (1 - confidence) ** (1 / patients))
        low, high = here - far, here + far
    return {"value": here, "low": low, "high": high}
