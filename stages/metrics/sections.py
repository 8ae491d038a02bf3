"""The sections of a report: which scores are computed of which images, and where they stand."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats, Labels
from stages.engine.files import DECIMALS
from stages.metrics import calibration, probability, ranking, refusals
from stages.metrics.decisions import ALL_SCORES, Counts, patients_behind
from stages.metrics.section import Facts, Section

ProbabilityScore: TypeAlias = Callable[[Labels, Floats, Floats], Floats]
"""From labels (N,), probabilities (N,) and weights (B, N) to scores (B,)."""

SCORES_AT_A_POINT = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
"""Of each operating point. All scores of the point "decision" stand at the top of the report."""

ANSWERED_SCORES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
"""Of the images that are not refused, beside their AUROC."""

BASELINE_SCORES = ("accuracy", "balanced_accuracy", "sensitivity", "specificity")
"""Of each trivial baseline's decisions, beside its AUROC."""


@dataclass(frozen=True)
class Predictions:
    """The images of one role (N) and what is predicted of them.

    Attributes:
        records: The role's rows of records.csv.
        probability: Of pneumonia, float64 (N,).
        thresholds: Of the operating points by name, "decision" among them; an image is called
            pneumonia where its probability is at least the threshold.
        prior: The share of pneumonia at which the probabilities are stated.
        baselines: Probabilities (N,) of the trivial baselines by name.
        truth: Of phantoms, with the columns path and site.
        refused: Whether the model refuses each image, bool (N,). It then counts as decided wrongly;
            scores of probabilities are over all images.
    """

    records: pd.DataFrame
    probability: Floats
    thresholds: Mapping[str, float]
    prior: float
    baselines: Mapping[str, Floats]
    truth: pd.DataFrame | None
    refused: Flags

    def of(self, member: Flags) -> "Predictions":
        """Return the predictions of some images, bool (N,)."""
        return replace(
            self,
            records=self.records[member].reset_index(drop=True),
            probability=self.probability[member],
            baselines={name: each[member] for name, each in self.baselines.items()},
            refused=self.refused[member],
        )

    @property
    def label(self) -> Labels:
        """0 or 1, int64 (N,)."""
        return self.records["label"].to_numpy().astype(np.int64)

    @property
    def patient(self) -> NDArray[Any]:
        """The patient of each image (N,)."""
        return self.records["patient"].to_numpy()


def sections(predictions: Predictions, bins: int) -> Iterator[Section]:
    """Yield all sections of a report; `bins` is the number of equal-width bins of the ECE."""
    label, stated = predictions.label, predictions.probability
    scores: dict[str, ProbabilityScore] = {
        "auroc": ranking.auroc,
        "average_precision": ranking.average_precision,
        "brier": probability.brier,
        "ece": partial(probability.ece, bins=bins),
        "log_loss": probability.log_loss,
    }
    yield _of_probabilities((), predictions, stated, scores)
    decision, refused = stated >= predictions.thresholds["decision"], predictions.refused
    counts = _counts(label, decision, refused)
    yield _of_decisions((), predictions, decision, refused, ALL_SCORES, counts)
    yield refusals.shares(predictions.patient, label, refused)
    yield _answered(predictions, decision)
    yield from _calibration(predictions, {name: scores[name] for name in ("brier", "ece")})
    for name, threshold in predictions.thresholds.items():
        positive = stated >= threshold
        facts: Facts = {
            "threshold": round(float(threshold), DECIMALS),
            **_counts(label, positive, refused),
        }
        yield _of_decisions((name,), predictions, positive, refused, SCORES_AT_A_POINT, facts)
    for grouping, groups in _groupings(predictions).items():
        for group, member in groups.items():
            yield _subgroup((grouping, group), predictions, decision, member)
    for name, of_baseline in predictions.baselines.items():
        keys = ("baselines", name)
        yield _of_probabilities(keys, predictions, of_baseline, {"auroc": ranking.auroc})
        yield _of_decisions(keys, predictions, of_baseline >= 0.5, None, BASELINE_SCORES)


def _of_probabilities(
    keys: tuple[str, ...],
    predictions: Predictions,
    stated: Floats,
    scores: Mapping[str, ProbabilityScore],
) -> Section:
    label, patient = predictions.label, predictions.patient

    def score(weight: Floats) -> dict[str, Floats]:
        return {name: of(label, stated, weight) for name, of in scores.items()}

    in_class = [len(np.unique(patient[label == value])) for value in (0, 1)]
    return Section(keys, score, {"auroc": min(in_class)})


def _of_decisions(
    keys: tuple[str, ...],
    predictions: Predictions,
    positive: Flags,
    refused: Flags | None,
    names: tuple[str, ...],
    facts: Facts | None = None,
) -> Section:
    label = predictions.label

    def score(weight: Floats) -> dict[str, Floats]:
        return Counts.of(label, positive, weight, refused).scores(names)

    patients = patients_behind(predictions.patient, label, positive, refused)
    return Section(keys, score, patients, facts or {})


def _answered(predictions: Predictions, positive: Flags) -> Section:
    """Scores over the images that are not refused: what the answers are worth that are given."""
    keys, answered = ("answered",), ~predictions.refused
    facts = {"images": int(answered.sum())}
    if not answered.any():
        return Section(keys, lambda _: {}, facts=facts)
    part = predictions.of(answered)
    of_part = _of_decisions(keys, part, positive[answered], None, ANSWERED_SCORES)
    ranked = _of_probabilities(keys, part, part.probability, {"auroc": ranking.auroc})

    def score(weight: Floats) -> dict[str, Floats]:
        kept = weight[:, answered]
        return {**ranked.score(kept), **of_part.score(kept)}

    return Section(keys, score, {**of_part.patients, **ranked.patients}, facts)


def _counts(label: Labels, positive: Flags, refused: Flags) -> dict[str, dict[str, int]]:
    counts = Counts.of(label, positive, np.ones((1, len(label))), refused)
    return {"counts": {cell: int(getattr(counts, cell)[0]) for cell in ("tp", "fp", "tn", "fn")}}


def _calibration(
    predictions: Predictions, at_the_prior: Mapping[str, ProbabilityScore]
) -> Iterator[Section]:
    """Yield calibration at the stated prior, and at the prevalence of the images as they are.

    at_the_prior: Scores that the prior's section has beside intercept and slope; at the images'
    prevalence they stand at the top of the report.
    """
    label, stated, prior = predictions.label, predictions.probability, predictions.prior
    fits: dict[str, ProbabilityScore] = {
        "intercept": calibration.intercept,
        "slope": calibration.slope,
    }
    both = {**fits, **at_the_prior}
    natural = _of_probabilities(("calibration", "natural"), predictions, stated, fits)
    weighted = _of_probabilities(("calibration", "at_prior"), predictions, stated, both)

    def score(weight: Floats) -> dict[str, Floats]:
        return weighted.score(calibration.at_prior(label, weight, prior))

    yield Section(weighted.keys, score, facts={"prior": round(prior, DECIMALS)})
    yield natural


def _groupings(predictions: Predictions) -> dict[str, dict[str, Flags]]:
    """Find the images of each subgroup, bool (N,), by grouping and name."""
    records, label = predictions.records, predictions.label
    kind = records["kind"].fillna("").to_numpy()
    # The two series in which the real set numbers its normal images.
    numbered = records["patient"].str.extract(r"^(?:[^/]*/)?(IM|NORMAL2)-", expand=False)
    groupings = {
        "kind": np.where(label == 1, kind, ""),
        "series": np.where(label == 0, numbered.fillna("").to_numpy(), ""),
    }
    if predictions.truth is not None:
        site = predictions.truth.set_index("path")["site"]
        groupings["site"] = records["id"].map(site).fillna("").to_numpy()
    return {
        grouping: {str(name): names == name for name in np.unique(names.astype(str)) if name}
        for grouping, names in groupings.items()
    }


def _subgroup(
    keys: tuple[str, ...], predictions: Predictions, positive: Flags, member: Flags
) -> Section:
    """Sensitivity where the group has pneumonia images, specificity where it has normal ones."""
    part, called = predictions.of(member), positive[member]
    label, refused = part.label, part.refused

    def score(weight: Floats) -> dict[str, Floats]:
        counts = Counts.of(label, called, weight[:, member], refused)
        return counts.scores(("sensitivity", "specificity"))

    patients = patients_behind(part.patient, label, called, refused)
    return Section(keys, score, patients, {"images": int(member.sum())})
