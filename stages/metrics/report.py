"""All figures of one split as nested numbers, ready for `dvc metrics`."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats
from stages.engine.errors import InputError
from stages.engine.files import DECIMALS
from stages.metrics import calibration, scores
from stages.metrics.intervals import Draws, Figure, resample
from stages.metrics.options import FigureOptions
from stages.metrics.scores import Counts

Tree: TypeAlias = "dict[str, int | float | Tree]"

# What is told of each named operating point; `decision` has all of scores.DECIDED at the top.
AT_A_POINT = ("sensitivity", "specificity", "ppv", "npv", "accuracy")


def report(
    records: pd.DataFrame,
    probability: Floats,
    thresholds: Mapping[str, float],
    options: FigureOptions,
    *,
    prior: float,
    baselines: Mapping[str, Floats] | None = None,
    truth: pd.DataFrame | None = None,
) -> Tree:
    """Every figure of one role, each as {"value", "low", "high"}, and raw counts.

    records: the role's rows of records.csv (N); probability: of pneumonia, float64 (N,).
    thresholds: of the named operating points, "decision" among them; an image is called pneumonia
        where probability >= threshold. prior: the share of pneumonia at which the probability
        is stated. Both come frozen from training; nothing is fitted here.
    baselines: their probabilities, by name. truth: of phantoms, with columns path and site.

    Floats are rounded to 6 digits. A figure that these images leave undefined (a predictive value
    where nothing was called) is left out, and so is a subgroup without images.

    Raises InputError where a class has no image, or where the probabilities are constant or not
    finite: no figure would mean anything.
    """
    label = records["label"].to_numpy().astype(np.int64)
    _refuse_unfit(records, label, probability)
    patient = records["patient"].to_numpy()
    draws = resample(
        patient, label, seed=options.seed, draws=options.draws, confidence=options.confidence
    )
    tree: Tree = {
        "images": len(label),
        "patients": len(np.unique(patient)),
        "prevalence": round(float(label.mean()), DECIMALS),
        "confidence": options.confidence,
        **_of_probability(label, probability, draws, options.ece_bins),
        **_of_decision(label, probability >= thresholds["decision"], draws, scores.DECIDED),
        "calibration": _calibration(label, probability, draws, options.ece_bins, prior),
    }
    for name, threshold in thresholds.items():
        at_point = _of_decision(label, probability >= threshold, draws, AT_A_POINT)
        tree[name] = {"threshold": round(float(threshold), DECIMALS), **at_point}
    positive = probability >= thresholds["decision"]
    for name, groups in _groupings(records, label, truth).items():
        if groups:
            tree[name] = {
                group: _of_group(label, positive, draws, member)
                for group, member in sorted(groups.items())
            }
    if baselines is not None:
        tree["baselines"] = {
            name: _of_baseline(label, stated, draws) for name, stated in baselines.items()
        }
    return tree


def plain(figures: Mapping[str, Figure]) -> Tree:
    """Figures as nested numbers: rounded to 6 digits, undefined ones left out."""
    return {
        name: {
            "value": round(figure.value, DECIMALS),
            "low": round(figure.low, DECIMALS),
            "high": round(figure.high, DECIMALS),
        }
        for name, figure in figures.items()
        if np.isfinite(figure.value)
    }


def _refuse_unfit(records: pd.DataFrame, label: NDArray[np.int64], probability: Floats) -> None:
    if probability.shape != label.shape:
        raise ValueError(f"expected {label.shape} probabilities, received {probability.shape}")
    role = f"the role {records['role'].iloc[0]!r}" if len(records) else "a role without images"
    normal, sick = int((label == 0).sum()), int((label == 1).sum())
    if not normal or not sick:
        raise InputError(
            f"{role}: expected images of both classes, received {normal} normal and {sick} "
            "pneumonia; give the source images of both, or change preprocess's fractions"
        )
    if not np.isfinite(probability).all():
        raise InputError(
            f"{role}: expected probabilities, received {int((~np.isfinite(probability)).sum())} "
            f"of {len(probability)} that are not finite; the model is broken, train again"
        )
    if np.ptp(probability) == 0:
        raise InputError(
            f"{role}: expected probabilities that differ from image to image, received "
            f"{probability[0]:.6f} for all {len(probability)}; the model has learnt nothing, "
            "train longer or at another learning rate"
        )


def _of_probability(label: NDArray[np.int64], probability: Floats, draws: Draws, bins: int) -> Tree:
    def score(weight: Floats) -> dict[str, Floats]:
        return {
            "auroc": scores.auroc(label, probability, weight),
            "average_precision": scores.average_precision(label, probability, weight),
            "brier": scores.brier(label, probability, weight),
            "ece": scores.ece(label, probability, weight, bins),
            "log_loss": scores.log_loss(label, probability, weight),
        }

    return plain(draws.figures(score, _support(label, probability >= 0.5, draws)))


def _of_decision(
    label: NDArray[np.int64], positive: Flags, draws: Draws, names: tuple[str, ...]
) -> Tree:
    def score(weight: Floats) -> dict[str, Floats]:
        counts = Counts.of(label, positive, weight)
        return {name: getattr(counts, name) for name in names}

    here = Counts.of(label, positive, np.ones((1, len(label))))
    cells = {cell: int(getattr(here, cell)[0]) for cell in ("tp", "fp", "tn", "fn")}
    return {
        **plain(draws.figures(score, _support(label, positive, draws))),
        "counts": dict(cells),
    }


def _support(label: NDArray[np.int64], positive: Flags, draws: Draws) -> dict[str, int]:
    """Patients behind the AUROC and each share: see Draws.figures."""
    normal, sick = _patients(draws, label == 0), _patients(draws, label == 1)
    return {
        "auroc": min(normal, sick),
        "accuracy": normal + sick,
        "balanced_accuracy": min(normal, sick),
        "sensitivity": sick,
        "specificity": normal,
        "ppv": _patients(draws, positive),
        "npv": _patients(draws, ~positive),
    }


def _patients(draws: Draws, images: Flags) -> int:
    return len(np.unique(draws.patient[images]))


def _calibration(
    label: NDArray[np.int64], probability: Floats, draws: Draws, bins: int, prior: float
) -> Tree:
    def stated(weight: Floats) -> dict[str, Floats]:
        return calibration.figures(
            label, probability, calibration.at_prior(label, weight, prior), bins
        )

    def natural(weight: Floats) -> dict[str, Floats]:
        # Brier score and ECE at this prevalence stand with the split's other figures.
        return {
            "intercept": calibration.intercept(label, probability, weight),
            "slope": calibration.slope(label, probability, weight),
        }

    return {
        "at_prior": {"prior": round(prior, DECIMALS), **plain(draws.figures(stated))},
        "natural": plain(draws.figures(natural)),
    }


def _groupings(
    records: pd.DataFrame, label: NDArray[np.int64], truth: pd.DataFrame | None
) -> dict[str, dict[str, Flags]]:
    """Images of each subgroup, bool (N,), by grouping and name."""
    kind = records["kind"].fillna("").to_numpy()
    # The two series in which the real set numbers its normal images.
    series = records["patient"].str.extract(r"^(IM|NORMAL2)-", expand=False).fillna("").to_numpy()
    groupings = {
        "kind": np.where(label == 1, kind, ""),
        "series": np.where(label == 0, series, ""),
    }
    if truth is not None:
        groupings["site"] = records["id"].map(truth.set_index("path")["site"]).fillna("").to_numpy()
    return {
        name: {str(value): names == value for value in np.unique(names.astype(str)) if value}
        for name, names in groupings.items()
    }


def _of_group(label: NDArray[np.int64], positive: Flags, draws: Draws, member: Flags) -> Tree:
    """Sensitivity where the group has sick images, specificity where it has normal ones."""

    def score(weight: Floats) -> dict[str, Floats]:
        counts = Counts.of(label[member], positive[member], weight[:, member])
        return {"sensitivity": counts.sensitivity, "specificity": counts.specificity}

    support = {
        "sensitivity": _patients(draws, member & (label == 1)),
        "specificity": _patients(draws, member & (label == 0)),
    }
    return {"images": int(member.sum()), **plain(draws.figures(score, support))}


def _of_baseline(label: NDArray[np.int64], probability: Floats, draws: Draws) -> Tree:
    names = ("auroc", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
    positive = probability >= 0.5

    def score(weight: Floats) -> dict[str, Floats]:
        counts = Counts.of(label, positive, weight)
        decided = {name: getattr(counts, name) for name in names[1:]}
        return {"auroc": scores.auroc(label, probability, weight), **decided}

    return plain(draws.figures(score, _support(label, positive, draws)))
