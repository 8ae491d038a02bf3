"""The operating point: from logits to calibrated probabilities and decisions.

It is fitted on validation images and frozen. The rule was chosen because it survives the shift of
the normals, which a random validation split cannot see (docs/judging.md):

- *decision*: the threshold that finds a given share of validation pneumonia, the median over
  bootstrap draws of patients. The share is a param. It was measured beforehand where normals of a
  kind are held out (`pneumonia study tail`): there, as many of those normals are called normal.
  Without one, the threshold of equal error, sensitivity = specificity, on validation pneumonia
  against normals, of which natural and re-acquired ("matched") ones weigh the same; the median
  over bootstrap draws of patients and donors.
- *shift*: by how much the logits of the pool's normals rise until their specificity at the
  decision is that share. So far normals of a kind that training lacks are expected to lie from
  those of the pool. 0 without a share.
- *probability*: Platt scaling (Platt 1999) on the same images, the normals shifted, at a stated
  prior of one half, moved so that the decision threshold is probability 0.5.
- *screening*: the threshold of sensitivity 0.95 on validation pneumonia, or of the decision's
  sensitivity if that is higher.
- *rule_in*: the threshold of specificity 0.95 on the matched normals, else on the natural ones,
  shifted; with a share, no lower than the decision.

Every number is rounded where it is made, and the rounded ones decide: the last bits of a float
depend on the C library.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stages.engine import checksums
from stages.engine.arrays import Floats
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.network.platt import platt, sigmoid

if TYPE_CHECKING:  # the predictor reads an operating point without pandas
    import pandas as pd

FORMAT = 1
_PROBABILITY_DECIMALS = 9
_DRAWS = 200
_LEVEL = 0.95


@dataclass(frozen=True)
class Pool:
    """Validation images of one role: logits, labels (1 is pneumonia) and patients, (N,) each.

    A matched normal is there once per donor, under its own patient.
    """

    logits: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    patients: npt.NDArray[Any]


def pool(records: "pd.DataFrame", logits: npt.NDArray[Any]) -> Pool:
    """Make the pool of a role from its records (N) and their logits (N,)."""
    return Pool(logits, records["label"].to_numpy(), records["patient"].to_numpy())


@dataclass(frozen=True)
class OperatingPoint:
    """Frozen decisions: probability = sigmoid(slope * logit + intercept), thresholds on it."""

    slope: float
    intercept: float
    prior: float
    thresholds: dict[str, float]
    fitted_on: tuple[str, ...]
    sensitivity: float | None = None
    """The share of positives that the decision was set to find; None: equal error."""

    shift: float | None = None
    """Added to the logits of normals before the fit; None: nothing was."""

    def probability(self, logits: npt.NDArray[Any]) -> Floats:
        """Probability of pneumonia at the stated prior, float64 (N,), 0 to 1."""
        chance: Floats = sigmoid(self.slope * np.asarray(logits, np.float64) + self.intercept)
        return chance

    def to_json(self) -> dict[str, Any]:
        """Return the content of operating_point.json."""
        facts = {name: value for name, value in asdict(self).items() if value is not None}
        return {"format": FORMAT, **facts, "fitted_on": list(self.fitted_on)}


def load(path: Path) -> OperatingPoint:
    """Read operating_point.json.

    Raises:
        InputError: The file is missing, damaged, of another format, or differs from its recorded
            checksum.
    """
    checksums.verify_file(path)
    facts = read_json(path)
    if not isinstance(facts, dict) or facts.pop("format", None) != FORMAT:
        raise InputError(
            f"{path}: expected an operating point of format {FORMAT}, received another; "
            "run `dvc repro` to make it again"
        )
    try:
        facts["fitted_on"] = tuple(facts["fitted_on"])
        point = OperatingPoint(**facts)
        _check(point)
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: expected an operating point, received one with {error}; "
            "run `dvc repro` to make it again"
        ) from error
    return point


def _check(point: OperatingPoint) -> None:
    """Raise ValueError for numbers that can't decide: NaN would call every image normal."""
    thresholds = dict(point.thresholds)
    if "decision" not in thresholds:
        raise ValueError("no threshold 'decision'")
    for number in (point.slope, point.intercept, point.prior, *thresholds.values()):
        if not isinstance(number, (int, float)) or not np.isfinite(number):
            raise ValueError(f"{number!r} for a number")
    if point.slope <= 0 or not all(0 <= cut <= 1 for cut in thresholds.values()):
        raise ValueError(f"slope {point.slope} and thresholds {thresholds} out of range")


def fit(
    pools: Mapping[str, Pool], *, seed: int, sensitivity: float | None = None
) -> OperatingPoint:
    """Fit an operating point on the role "val", and on "val_matched" where there is one.

    Args:
        pools: Validation images by role.
        seed: Of the bootstrap draws.
        sensitivity: The share of positives that the decision finds; None: equal error.

    Raises:
        InputError: Scores are constant or not finite, or are not higher for positives.
    """
    natural = pools["val"]
    matched = pools.get("val_matched")
    sources = [natural] if matched is None else [natural, matched]
    for source in sources:
        _require_informative(source)
    positive = natural.logits[natural.labels == 1]
    negatives = [source.logits[source.labels == 0] for source in sources]
    if sensitivity is None:
        cut, shift = _rounded(equal_error(sources, seed=seed)), None
    else:
        cut = _rounded(fixed_sensitivity(natural, sensitivity, seed=seed))
        shift = _rounded(_shift(negatives, cut, sensitivity))
        negatives = [part.astype(np.float64) + shift for part in negatives]
    slope, _ = platt(positive, negatives)
    if slope <= 0:
        raise InputError(
            "train: expected validation scores that are higher for positives, received the "
            f"opposite (slope {slope:.3g}); the network has learnt nothing: train longer, at "
            "another learning rate, or on more images"
        )
    slope = _rounded(slope)
    intercept = _rounded(-slope * cut)  # probability 0.5 is the decision threshold
    level = max(_LEVEL, sensitivity or 0)
    screening = float(np.quantile(positive, 1 - level, method="lower"))
    rule_in = float(np.nextafter(np.quantile(negatives[-1], _LEVEL, method="higher"), np.inf))
    if sensitivity is not None:  # with a share, the three points are in order
        screening, rule_in = min(screening, cut), max(rule_in, cut)
    # Rounded to the side on which the image that decides stays on its own side.
    scale = 10**_PROBABILITY_DECIMALS
    return OperatingPoint(
        slope=slope,
        intercept=intercept,
        prior=0.5,
        thresholds={
            "decision": 0.5,
            "screening": math.floor(sigmoid(slope * screening + intercept) * scale) / scale,
            "rule_in": math.ceil(sigmoid(slope * rule_in + intercept) * scale) / scale,
        },
        fitted_on=("val",) if matched is None else ("val", "val_matched"),
        sensitivity=sensitivity,
        shift=shift,
    )


def fixed_sensitivity(pool: Pool, sensitivity: float, *, seed: int) -> float:
    """Find the logit at or above which a share of the positives lies.

    The result is the median over bootstrap draws of patients.
    """
    draws = [
        np.quantile(_redrawn(pool, 1, rng), 1 - sensitivity, method="lower")
        for rng in _generators(seed)
    ]
    return float(np.median(draws))


def equal_error(sources: list[Pool], *, seed: int) -> float:
    """Find the logit where sensitivity on the first pool equals specificity.

    The normals of each pool weigh the same. The result is the median over bootstrap draws of
    patients.
    """
    return float(np.median([_equal_error(sources, rng) for rng in _generators(seed)]))


def _generators(seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, draw]) for draw in range(_DRAWS)]


def _equal_error(sources: list[Pool], rng: np.random.Generator) -> float:
    """The logit of equal error in one bootstrap draw of patients and donors."""
    positive = _redrawn(sources[0], 1, rng)
    negatives = [_redrawn(source, 0, rng) for source in sources]
    values = np.unique(np.concatenate([positive, *negatives]))
    cuts = (values[1:] + values[:-1]) / 2
    missed = np.searchsorted(np.sort(positive), cuts) / len(positive)
    called = [1 - np.searchsorted(np.sort(part), cuts) / len(part) for part in negatives]
    gap = missed - np.mean(called, axis=0)  # rises with the cut
    crossing = min(int(np.searchsorted(gap, 0)), len(cuts) - 1)
    return float(cuts[crossing])


def _redrawn(pool: Pool, label: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Logits of one class with patients drawn with replacement, all images of each."""
    of_class = pool.labels == label
    names, member = np.unique(pool.patients[of_class], return_inverse=True)
    times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
    return np.repeat(pool.logits[of_class], times[member])


def _shift(negatives: list[npt.NDArray[Any]], cut: float, specificity: float) -> float:
    """How far normals must rise so that a share of them stays below the cut; at least 0.

    The kinds of normals weigh the same.
    """
    values = np.concatenate(negatives).astype(np.float64)
    weight = np.concatenate([np.full(len(part), 1 / len(part)) for part in negatives])
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order]) / len(negatives)
    last = min(int(np.searchsorted(below, specificity)), len(values) - 1)
    return max(cut - float(values[order][last]), 0.0)


def _require_informative(source: Pool) -> None:
    if not 0 < np.ptp(source.logits) < np.inf:  # NaN is neither
        raise InputError(
            "train: expected validation scores that are finite and differ between images, "
            f"received {np.min(source.logits):.3g} to {np.max(source.logits):.3g}; the network "
            "has learnt nothing: train longer or at another learning rate"
        )


def _rounded(value: float) -> float:
    """Return `value` with nine significant digits."""
    return float(f"{value:.9g}")
