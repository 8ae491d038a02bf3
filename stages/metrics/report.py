"""All figures of one role as nested numbers, ready for `dvc metrics`."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from stages.engine.answers import Answers
from stages.engine.arrays import Flags, Floats
from stages.engine.errors import InputError
from stages.engine.files import DECIMALS
from stages.images.shards import Role
from stages.metrics import refusals
from stages.metrics.baselines import Baselines
from stages.metrics.intervals import as_tree, resample
from stages.metrics.options import FigureOptions
from stages.metrics.refusal_keys import DIFFERENCE, REFUSALS
from stages.metrics.sections import Predictions, sections


def report(
    records: pd.DataFrame,
    probability: Floats,
    thresholds: Mapping[str, float],
    options: FigureOptions,
    *,
    prior: float,
    baselines: Mapping[str, Floats] | None = None,
    truth: pd.DataFrame | None = None,
    refused: Flags | None = None,
) -> dict[str, Any]:
    """Compute every figure of one role, each as {"value", "low", "high"}, and raw counts.

    Nothing is fitted here: thresholds and prior come frozen from training. Floats are rounded to 6
    decimals. A figure that these images leave undefined (a predictive value where nothing was
    called positive) is left out, and so is a subgroup without images. Where the images are of
    several sources, "sources" has the same of each; of one with one class only, the counts alone.

    Args:
        records: The role's rows of records.csv (N).
        probability: Of the positive class, float64 (N,).
        thresholds: Of the operating points by name, "decision" among them.
        options: Of resampling and bins.
        prior: The share of positives at which the probabilities are stated.
        baselines: Probabilities (N,) of the trivial baselines, by name.
        truth: Of phantoms, with the columns path and site.
        refused: Whether the model refuses each image (N,), which then counts as decided wrongly;
            None: it refuses none.

    Raises:
        InputError: A class has no image, or the probabilities are constant or not finite: no
            figure would mean anything.
    """
    none = np.zeros(len(records), bool)
    predictions = Predictions(
        records,
        probability,
        thresholds,
        prior,
        baselines or {},
        truth,
        none if refused is None else refused,
    )
    _check(predictions)
    tree = _figures(predictions, options)
    sources = records["source"].to_numpy()
    if len(names := np.unique(sources)) > 1:
        parts = {str(name): predictions.of(sources == name) for name in names}
        tree["sources"] = {name: _of_source(part, options) for name, part in parts.items()}
    return tree


def _of_source(predictions: Predictions, options: FigureOptions) -> dict[str, Any]:
    """Return the figures of one source's images, or their counts where figures mean nothing."""
    label = predictions.label
    if len(np.unique(label)) < 2 or np.ptp(predictions.probability) == 0:
        return _counts(predictions)
    return _figures(predictions, options)


def _counts(predictions: Predictions) -> dict[str, Any]:
    return {
        "images": len(predictions.label),
        "patients": len(np.unique(predictions.patient)),
        "prevalence": round(float(predictions.label.mean()), DECIMALS),
    }


def _figures(predictions: Predictions, options: FigureOptions) -> dict[str, Any]:
    label, patient = predictions.label, predictions.patient
    draws = resample(
        patient, label, seed=options.seed, draws=options.draws, confidence=options.confidence
    )
    tree: dict[str, Any] = {**_counts(predictions), "confidence": options.confidence}
    for section in sections(predictions, options.ece_bins):
        place = tree
        for key in section.keys:
            place = place.setdefault(key, {})
        place |= {**section.facts, **as_tree(draws.figures(section.score, section.patients))}
    gap = refusals.difference(patient, label, predictions.refused, options)
    tree[REFUSALS] |= as_tree({DIFFERENCE: gap})
    return tree


def reports(
    roles: Iterable[Role],
    answers: Mapping[str, Answers],
    thresholds: Mapping[str, float],
    options: FigureOptions,
    *,
    prior: float,
    baselines: Baselines,
    truth: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Compute `report` for each role, by its name.

    Args:
        roles: With their records and pixels, which the baselines need.
        answers: The model's, by role.
        thresholds: As of `report`.
        options: As of `report`.
        prior: As of `report`.
        baselines: The fitted trivial baselines.
        truth: As of `report`.
    """
    return {
        role.name: report(
            role.records,
            answers[role.name].probability,
            thresholds,
            options,
            prior=prior,
            baselines=baselines.probabilities(role.records, role.pixels),
            truth=truth,
            refused=answers[role.name].refused,
        )
        for role in roles
    }


def _check(predictions: Predictions) -> None:
    """Raise where no figure of the predictions would mean anything."""
    records, label, probability = predictions.records, predictions.label, predictions.probability
    if probability.shape != label.shape:
        raise ValueError(f"expected {label.shape} probabilities, received {probability.shape}")
    role = f"the role {records['role'].iloc[0]!r}" if len(records) else "a role without images"
    negative, positive = int((label == 0).sum()), int((label == 1).sum())
    if not negative or not positive:
        raise InputError(
            f"{role}: expected images of both classes, received {negative} negative and {positive} "
            "positive; use source images of both, or change preprocess's fractions"
        )
    if not np.isfinite(probability).all():
        raise InputError(
            f"{role}: expected finite probabilities, received "
            f"{int((~np.isfinite(probability)).sum())} of {len(probability)} that are not finite; "
            "the model is broken, train it again"
        )
    if np.ptp(probability) == 0:
        raise InputError(
            f"{role}: expected probabilities that differ between images, received "
            f"{probability[0]:.6f} for all {len(probability)}; the model has learned nothing, "
            "train longer or at another learning rate"
        )
