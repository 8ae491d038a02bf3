"""The operating point: from logits to calibrated probabilities and decisions.

It is fitted on validation images and frozen. The rule was chosen because it survives the shift of
the normals, which a random validation split cannot see (docs/judging.md):

- *decision*: the threshold of equal error, sensitivity = specificity, on validation pneumonia
  against normals, of which natural and re-acquired ("matched") ones weigh the same; the median
  over bootstrap draws of patients and donors.
- *probability*: Platt scaling (Platt 1999) on the same images at a stated prior of one half,
  shifted so that the decision threshold is probability 0.5.
- *screening*: the threshold of sensitivity 0.95 on validation pneumonia.
- *rule_in*: the threshold of specificity 0.95 on the matched normals, else on the natural ones.

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
from stages.engine.errors import InputError
from stages.engine.files import read_json

if TYPE_CHECKING:  # the predictor reads an operating point without pandas
    import pandas as pd

Floats = npt.NDArray[np.float64]
FORMAT = 1
_PROBABILITY_DECIMALS = 9
_MAX_STEPS, _CONVERGED, _FLAT = 100, 1e-12, 1e-9
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

    def probability(self, logits: npt.NDArray[Any]) -> Floats:
        """Probability of pneumonia at the stated prior, float64 (N,), 0 to 1."""
        chance: Floats = _sigmoid(self.slope * np.asarray(logits, np.float64) + self.intercept)
        return chance

    def to_json(self) -> dict[str, Any]:
        """Return the content of operating_point.json."""
        return {"format": FORMAT, **asdict(self), "fitted_on": list(self.fitted_on)}


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


def fit(pools: Mapping[str, Pool], *, seed: int) -> OperatingPoint:
    """Fit an operating point on the role "val", and on "val_matched" where there is one.

    Args:
        pools: Validation images by role.
        seed: Of the bootstrap draws.

    Raises:
        InputError: Scores are constant or not finite, or are not higher for positives.
    """
    natural = pools["val"]
    matched = pools.get("val_matched")
    sources = [natural] if matched is None else [natural, matched]
    for source in sources:
        if not 0 < np.ptp(source.logits) < np.inf:  # NaN is neither
            raise InputError(
                "train: expected validation scores that are finite and differ between images, "
                f"received {np.min(source.logits):.3g} to {np.max(source.logits):.3g}; the network "
                "has learnt nothing: train longer or at another learning rate"
            )
    cut = _rounded(equal_error(sources, seed=seed))
    slope, intercept = _platt(sources)
    if slope <= 0:
        raise InputError(
            "train: expected validation scores that are higher for positives, received the "
            f"opposite (slope {slope:.3g}); the network has learnt nothing: train longer, at "
            "another learning rate, or on more images"
        )
    slope = _rounded(slope)
    intercept = _rounded(-slope * cut)  # probability 0.5 is the decision threshold
    positive = natural.logits[natural.labels == 1]
    strict = sources[-1].logits[sources[-1].labels == 0]
    screening = float(np.quantile(positive, 1 - _LEVEL, method="lower"))
    rule_in = float(np.nextafter(np.quantile(strict, _LEVEL, method="higher"), np.inf))
    # Rounded to the side on which the image that decides stays on its own side.
    scale = 10**_PROBABILITY_DECIMALS
    return OperatingPoint(
        slope=slope,
        intercept=intercept,
        prior=0.5,
        thresholds={
            "decision": 0.5,
            "screening": math.floor(_sigmoid(slope * screening + intercept) * scale) / scale,
            "rule_in": math.ceil(_sigmoid(slope * rule_in + intercept) * scale) / scale,
        },
        fitted_on=("val",) if matched is None else ("val", "val_matched"),
    )


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


def _platt(sources: list[Pool]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on the logit, classes weighing one half.

    The targets are those of Platt 1999: (n+ + 1) / (n+ + 2) and 1 / (n- + 2) instead of 1 and 0.
    """
    positive = sources[0].logits[sources[0].labels == 1]
    negatives = [source.logits[source.labels == 0] for source in sources]
    x = np.concatenate([positive, *negatives]).astype(np.float64)
    weight = np.concatenate(
        [np.full(len(positive), 0.5 / len(positive))]
        + [np.full(len(part), 0.5 / len(part) / len(negatives)) for part in negatives]
    )
    count = sum(map(len, negatives))
    target = np.full(len(x), 1 / (count + 2))
    target[: len(positive)] = (len(positive) + 1) / (len(positive) + 2)

    return _weighted_logistic(x, target, weight)


def _weighted_logistic(x: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Fit sigmoid(slope * x + intercept) by the weighted cross-entropy; slope and intercept.

    Newton's method, each step halved until the loss falls, in plain float64 sums: no library's
    solver, whose last bits depend on its kernels. Lin, Lin and Weng 2007, "A note on Platt's
    probabilistic outputs for support vector machines", Machine Learning 68:267-276.

    Args:
        x: Logits (N,), not all equal.
        target: Strictly between 0 and 1 (N,), so that the minimum is finite.
        weight: Above 0 (N,).
    """
    # On a unit scale and from a slope of 0, where the loss curves most.
    middle, scale = float(x.mean()), float(x.std())
    u = (x - middle) / scale

    def loss_at(slope: float, offset: float) -> float:
        z = slope * u + offset
        return float((weight * (np.logaddexp(0, z) - target * z)).sum())

    slope, offset = 0.0, 0.0
    loss = loss_at(slope, offset)
    for _ in range(_MAX_STEPS):
        chance = _sigmoid(slope * u + offset)
        residual, curve = weight * (chance - target), weight * chance * (1 - chance)
        g_slope, g_offset = float((residual * u).sum()), float(residual.sum())
        h_slope, h_offset = float((curve * u * u).sum()), float(curve.sum())
        h_both = float((curve * u).sum())
        determinant = h_slope * h_offset - h_both * h_both
        step_slope = (h_offset * g_slope - h_both * g_offset) / determinant
        step_offset = (h_slope * g_offset - h_both * g_slope) / determinant
        share = 1.0
        # Near the minimum the loss is flat to its last bits, and full steps are taken.
        while loss_at(slope - share * step_slope, offset - share * step_offset) > loss + _FLAT:
            share /= 2
        slope, offset = slope - share * step_slope, offset - share * step_offset
        loss = loss_at(slope, offset)
        if max(abs(step_slope), abs(step_offset)) < _CONVERGED:
            break
    return slope / scale, offset - slope * middle / scale


def _rounded(value: float) -> float:
    """Return `value` with nine significant digits."""
    return float(f"{value:.9g}")


def _sigmoid(values: npt.NDArray[Any] | float) -> Any:
    return 1 / (1 + np.exp(-np.clip(values, -60, 60)))
