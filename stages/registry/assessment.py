"""Gather what the promotion rule needs about a version, and apply the rule."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.metrics.comparison import (
    DecisionPairs,
    decision_differences,
    difference_margins,
    refused_images,
)
from stages.metrics.pages.text import format_figure
from stages.metrics.trees import Figures, RoleFigures, find_figure
from stages.network.pretrained.origin import NOT_STATED
from stages.registry import paired_decisions
from stages.registry.circumstances import NOT_RECORDED
from stages.registry.client import Client
from stages.registry.entities import ModelVersion
from stages.registry.opened_version import OpenedVersion, open_version
from stages.registry.options import Floors, RuleOptions
from stages.registry.paired_decisions import ComparedVersion, PairedDecisions, trained_ids
from stages.registry.record import FIGURES
from stages.registry.rule import Reason, Verdict, ceiling, floors, not_worse, not_worse_in, same
from stages.registry.versions import get_version

CALIBRATION_ROLES = ("val_matched", "val")
"""Calibration is judged on the first of these roles that has a figure."""

TRAINED = "trained with the params, code and data on record"
PINNED = "data are pinned by a checksum (fetch.sha256)"
WEIGHTS_PINNED = "initial weights are pinned by a checksum (train.weights)"
WEIGHTS_LICENSED = "initial weights have a stated licence, or their lack of one is accepted"
_SAME_IMAGES = "champion on the same images"


@dataclass(frozen=True)
class Gate:
    """The promotion rule and its inputs.

    Attributes:
        floors: Lower bounds of test figures.
        rule: The other bounds.
        lineage: From a model digest to what must be equal: a description, the digest that was
            found and the one that is required.
        report: From a model digest to the figures by role in the files at hand; None if they are
            those of another model.
        shards: The data set at hand.
        raw: Its images as they were received.
        key: File of the public keys one of which must have signed a version; None asks for no
            signature.
        accepts_unlicensed_weights: Whether who promotes has accepted that the initial weights
            state no licence.
    """

    floors: Floors
    rule: RuleOptions
    lineage: Callable[[str], Sequence[tuple[str, str | None, str | None]]]
    report: Callable[[str], RoleFigures | None]
    shards: Path
    raw: Path
    key: Path | None = None
    accepts_unlicensed_weights: bool = False


@dataclass(frozen=True)
class Assessment:
    """A verdict, and figures by name that are reported and not required."""

    verdict: Verdict
    reported: Mapping[str, str]


def assess(
    client: Client,
    name: str,
    version: ModelVersion,
    package: OpenedVersion,
    champion: str | None,
    gate: Gate,
) -> Assessment:
    """Apply the promotion rule to a version.

    Args:
        client: Client of the store.
        name: Registered model.
        version: The version to assess.
        package: Its files.
        champion: The version to compare it with; None for none.
        gate: The rule and its inputs.
    """
    required = gate.floors.model_dump()
    model = version.tags.get("model_digest", NOT_RECORDED)
    pinned = version.tags.get("pinned", "no")
    weights = version.tags.get("weights_pinned", NOT_RECORDED)
    trained = version.tags.get("trained_as_recorded", NOT_RECORDED)
    figures = _figures(client, version, gate.report(model))
    test = {key: find_figure(figures, "test", key) for key in required}
    compared, reported = _compare(client, name, version, package, champion, gate)
    reasons = (
        *(same(*item) for item in gate.lineage(model)),
        Reason(TRAINED, trained, "yes", trained == "yes"),
        Reason(PINNED, pinned, "yes", pinned == "yes"),
        Reason(WEIGHTS_PINNED, weights, "yes, or no file", weights in ("yes", "no file")),
        _licence(version.tags.get("weights_licence", NOT_RECORDED), gate),
        *floors(test, required),
        _calibration(figures, gate.rule.ece),
        *compared,
    )
    test_figures = {f"test {key}": format_figure(figure) for key, figure in test.items()}
    return Assessment(Verdict(reasons), {**test_figures, **reported})


def _licence(licence: str, gate: Gate) -> Reason:
    stated = licence not in (NOT_STATED, NOT_RECORDED)
    accepted = gate.accepts_unlicensed_weights and not stated
    found = f"{licence}, accepted" if accepted else licence
    return Reason(WEIGHTS_LICENSED, found, "stated, or accepted", stated or accepted)


def _figures(client: Client, version: ModelVersion, report: RoleFigures | None) -> RoleFigures:
    """Return the figures by role from the files at hand, or those that the version's run keeps."""
    from mlflow.exceptions import MlflowException

    if report is not None:
        return report
    kept: dict[str, Figures] = {}
    if not version.run_id:
        return kept
    with tempfile.TemporaryDirectory() as scratch:
        for path in FIGURES:
            with contextlib.suppress(MlflowException, OSError):  # without figures, rules fail
                kept |= read_json(Path(client.download_artifacts(version.run_id, path, scratch)))
    return kept


def _calibration(figures: RoleFigures, maximum: float) -> Reason:
    for role in CALIBRATION_ROLES:
        figure = find_figure(figures, role, "calibration", "at_prior", "ece")
        if figure is not None:
            return ceiling(f"calibration error on {role}", figure, maximum)
    return ceiling("calibration error on validation", None, maximum)


def _compare(
    client: Client,
    name: str,
    version: ModelVersion,
    package: OpenedVersion,
    champion: str | None,
    gate: Gate,
) -> tuple[tuple[Reason, ...], dict[str, str]]:
    """Return reasons and reported figures of the comparison with the champion."""
    if champion is None:
        return (Reason(_SAME_IMAGES, "no champion yet", "none", True),), {}
    try:
        decisions = _decisions(client, name, version, package, champion, gate)
    except InputError as error:  # a reason against the version, which an override may outweigh
        reason = Reason(_SAME_IMAGES, "not compared", "a comparison", False)
        return (reason,), {"not compared": str(error)}
    found = _differences(decisions.paired, gate.rule)
    reasons = not_worse(found, _margins(decisions.paired, gate.rule))
    reported = {"compared with": f"version {champion}, on {decisions.images}"}
    if refused := refused_images(decisions.paired):
        reported["refused, which counts as wrong"] = refused
    for key, difference in found.items():
        reported[f"{key} minus champion's"] = format_figure(difference)
    for source, paired in decisions.by_source().items():
        found = _differences(paired, gate.rule)
        alike = _differences(replace(paired, challenger=paired.champion), gate.rule)
        reasons += not_worse_in(source, found, alike, _margins(paired, gate.rule))
        for key, difference in found.items():
            reported[f"{key} in {source} minus champion's"] = format_figure(difference)
    return reasons, reported


def _differences(paired: DecisionPairs, rule: RuleOptions) -> dict[str, dict[str, float] | None]:
    return decision_differences(
        paired, seed=rule.seed, draws=rule.draws, confidence=rule.confidence
    )


def _margins(paired: DecisionPairs, rule: RuleOptions) -> dict[str, float]:
    return difference_margins(
        paired.role,
        sensitivity=rule.margin_sensitivity,
        specificity=rule.margin_specificity,
        tail=rule.margin_tail,
    )


def _decisions(
    client: Client,
    name: str,
    version: ModelVersion,
    package: OpenedVersion,
    champion: str,
    gate: Gate,
) -> PairedDecisions:
    rival = get_version(client, name, champion)
    with tempfile.TemporaryDirectory() as scratch:
        files = open_version(client, name, rival, Path(scratch) / "package", key=gate.key)
        return paired_decisions.decide(
            _compared(client, name, version, package),
            _compared(client, name, rival, files),
            shards=gate.shards,
            raw=gate.raw,
        )


def _compared(
    client: Client, name: str, version: ModelVersion, package: OpenedVersion
) -> ComparedVersion:
    from mlflow.exceptions import MlflowException

    def trained_on() -> frozenset[str]:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                records = client.download_artifacts(
                    version.run_id or "", "data/records.csv", scratch
                )
            except (MlflowException, OSError) as error:
                raise InputError(
                    f"{name} version {version.version}: expected data/records.csv, which lists the "
                    f"patients that it was trained on, in its run, found none ({error}); it can't "
                    "be compared on other data"
                ) from None
            return trained_ids(Path(records))

    data = version.tags.get("data_digest", "")
    return ComparedVersion(str(version.version), data, package, trained_on)
