"""Executes the gate: gathers what the rule asks for, keeps the verdict, moves `champion`."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.metrics.comparison import differences, margins
from stages.metrics.pages.text import format_figure
from stages.registry import contest, history
from stages.registry.aliases import CANDIDATE, CHAMPION, alias_of
from stages.registry.note import GATE, verdict_table
from stages.registry.options import Floors, RuleOptions
from stages.registry.record import FIGURES, NOT_RECORDED, lookup
from stages.registry.rule import Reason, Verdict, ceiling, floors, not_worse, same
from stages.registry.store import Store

CALIBRATED = ("val_matched", "val")
"""Where calibration is judged: the first of these roles that has a figure."""
_SAME_IMAGES = "champion on the same images"


@dataclass(frozen=True)
class Gate:
    """The rule, and where to find what it asks for.

    lineage: of a version, given its model digest, the names that must be the same: each a
    description, what is found, and what is required. report: the figures by role that the files
    give a model digest, or None where they are another model's. shards, raw: the data set at hand.
    """

    floors: Floors
    rule: RuleOptions
    lineage: Callable[[str], Sequence[tuple[str, str | None, str | None]]]
    report: Callable[[str], Mapping[str, Any] | None]
    shards: Path
    raw: Path


@dataclass(frozen=True)
class Outcome:
    """What came of it. reported: figures that the gate does not look at, by name.

    before: where `champion` was. moved: whether it points at `version` now.
    """

    name: str
    version: str
    before: str | None
    verdict: Verdict
    reported: Mapping[str, str]
    moved: bool


def promote(
    client: Any, store: Store, name: str, version: str | None, gate: Gate, *,
    alias: str = CHAMPION, override: str | None = None,
) -> Outcome:  # fmt: skip
    """Judge `version` (default: the candidate) and, if it passes, move `alias` to it.

    override: a reason to move it although the gate says no; both go on record.

    Raises InputError where there is no such version, it is the champion already, or another
    promotion is under way.
    """
    if alias == CANDIDATE:
        raise InputError(f"{name}: {alias} is moved by `dvc repro` alone; name another alias")
    with history.one_mover(store, name):
        seen = history.look(client, name, alias)
        number = version or alias_of(client, name, CANDIDATE)
        if number is None:
            raise InputError(
                f"{name}: expected a candidate, found none: no model has passed the floors in "
                "params.yaml (register.floors) outside an experiment; see data/release.json, or "
                "name a version"
            )
        entry = find(client, name, number)
        if number == seen.version:
            raise InputError(f"{name} version {number} is the {alias} already; nothing to do")
        verdict, reported = judge(client, name, entry, seen.version, gate)
        said = "passed" if verdict.passed else "overridden" if override else "failed"
        kept = {"gate": said, "gate_against": seen.version or "no champion"}
        if override is not None:
            kept["gate_override"] = override
        for key, value in kept.items():
            client.set_model_version_tag(name, number, key, value)
        told = (entry.description or "").partition(GATE)[0]
        client.update_model_version(name, number, f"{told}{GATE}{_told(kept, verdict, reported)}")
        if verdict.passed or override is not None:
            overridden = not verdict.passed
            history.move(
                client, store, name, alias, number, seen=seen, kind="promote",
                why=f"gate overridden: {override}" if overridden else override or "gate passed",
                verdict={**kept, "reasons": [vars(reason) for reason in verdict.reasons],
                         "reported": dict(reported)},
            )  # fmt: skip
        moved = verdict.passed or override is not None
        return Outcome(name, number, seen.version, verdict, reported, moved)


def rollback(client: Any, store: Store, name: str, *, why: str, alias: str = CHAMPION) -> Outcome:
    """Move `alias` back to the version that it pointed at before.

    Raises InputError where there is none, or it is no longer in the registry.
    """
    with history.one_mover(store, name):
        seen = history.look(client, name, alias)
        moves = [move for move in history.read(client, name) if move.alias == alias]
        _, stack = history.replay(moves, seen.version)
        if seen.version is None or len(stack) < 2:
            raise InputError(
                f"{name}: expected an earlier {alias} to return to, found none in the history "
                f"(now: {seen.version or 'none'}); `pneumonia history` shows it"
            )
        find(client, name, stack[-2])
        history.move(client, store, name, alias, stack[-2], seen=seen, kind="rollback", why=why)
        return Outcome(name, stack[-2], seen.version, Verdict(()), {}, True)


def find(client: Any, name: str, number: str) -> Any:
    """The version; InputError where the registry has none of that number."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, number)
    except MlflowException:
        raise InputError(
            f"{name}: expected a version, received {number!r}, which is not in the registry; "
            "`pneumonia models` shows the versions"
        ) from None


def judge(
    client: Any, name: str, entry: Any, champion: str | None, gate: Gate
) -> tuple[Verdict, dict[str, str]]:
    """The verdict on a version, and what is reported beside it."""
    rule, tags = gate.rule, entry.tags
    model = tags.get("model_digest", NOT_RECORDED)
    figures = _figures(client, entry, gate.report(model))
    test = {key: lookup(figures, f"test/{key}") for key in vars(gate.floors)}
    reasons = [
        *(same(what, found, required)
          for what, found, required in gate.lineage(model)),
        Reason("data are pinned by a checksum (fetch.sha256)", tags.get("pinned", "no"), "yes",
               tags.get("pinned") == "yes"),
        *floors(test, vars(gate.floors)),
        _calibration(figures, rule.ece),
    ]  # fmt: skip
    reported = {f"test {key}": format_figure(figure) for key, figure in test.items()}
    if champion is None:
        reasons.append(Reason(_SAME_IMAGES, "no champion yet", "none", True))
    else:
        try:
            told = _contest(client, name, entry, champion, gate)
        except InputError as error:  # a reason against it, which an override may outweigh
            reasons.append(Reason(_SAME_IMAGES, "not compared", "a comparison", False))
            reported["not compared"] = str(error)
            return Verdict(tuple(reasons)), reported
        found = differences(
            told.paired, seed=rule.seed, draws=rule.draws, confidence=rule.confidence
        )
        asked = margins(
            told.paired.role, sensitivity=rule.margin_sensitivity,
            specificity=rule.margin_specificity, tail=rule.margin_tail,
        )  # fmt: skip
        reasons += not_worse(found, asked)
        reported["compared with"] = f"version {champion}, on {told.images}"
        reported |= {f"{key} less champion's": format_figure(value) for key, value in found.items()}
    return Verdict(tuple(reasons)), reported


def _figures(client: Any, entry: Any, report: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Figures by role: what the files at hand say, else those that the run keeps."""
    from mlflow.exceptions import MlflowException

    if report is not None:
        return report
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for shown in FIGURES if entry.run_id else ():
            with contextlib.suppress(MlflowException, OSError):  # none: no rule is met by it
                kept |= read_json(Path(client.download_artifacts(entry.run_id, shown, scratch)))
    return kept


def _told(kept: Mapping[str, str], verdict: Verdict, reported: Mapping[str, str]) -> str:
    """The verdict in Markdown, for a version's description."""
    rival = kept["gate_against"]
    said = f"{kept['gate']}, against {f'version {rival}' if rival.isdigit() else rival}"
    if "gate_override" in kept:
        said += f"; override: {kept['gate_override']}"
    beside = "".join(f"- {key}: {value}\n" for key, value in reported.items())
    return f"{said}\n\n{verdict_table(verdict)}\nReported beside it:\n\n{beside}"


def _calibration(figures: Mapping[str, float], most: float) -> Reason:
    for role in CALIBRATED:
        figure = lookup(figures, f"{role}/calibration/at_prior/ece")
        if figure is not None:
            return ceiling(f"calibration error on {role}", figure, most)
    return ceiling("calibration error on validation", None, most)


def _contest(client: Any, name: str, entry: Any, champion: str, gate: Gate) -> contest.Contest:
    with tempfile.TemporaryDirectory() as scratch:
        entrants = [
            _entrant(client, name, found, Path(scratch) / role)
            for role, found in (("challenger", entry), ("champion", find(client, name, champion)))
        ]
        return contest.hold(*entrants, shards=gate.shards, raw=gate.raw)


def _entrant(client: Any, name: str, entry: Any, scratch: Path) -> contest.Entrant:
    import mlflow
    from mlflow.exceptions import MlflowException

    scratch.mkdir()

    def trained_on() -> frozenset[str]:
        try:
            kept = client.download_artifacts(entry.run_id, "data/records.csv", str(scratch))
        except (MlflowException, OSError) as error:
            raise InputError(
                f"{name} version {entry.version}: expected its run's data/records.csv, which tells "
                f"whom it was trained on, found none ({error}); it can't be compared on other data"
            ) from None
        return contest.patients_of(Path(kept))

    package = mlflow.artifacts.download_artifacts(
        f"models:/{name}/{entry.version}", dst_path=str(scratch)
    )
    model, data = (entry.tags.get(name, "") for name in ("model_digest", "data_digest"))
    return contest.Entrant(str(entry.version), model, data, Path(package), trained_on)
