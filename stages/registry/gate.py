"""The gate: assess a version, keep the verdict with it, and move `champion` if it passes."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.engine.errors import InputError, NotFound
from stages.engine.printable import printable
from stages.metrics.pages.text import markdown_text
from stages.registry.aliases import CANDIDATE, CHAMPION, alias_version
from stages.registry.assessment import Assessment, Gate, assess
from stages.registry.client import Client
from stages.registry.description import GATE, verdict_table
from stages.registry.entities import ModelVersion
from stages.registry.history import replay
from stages.registry.moves import move_alias, read_moves, take_snapshot
from stages.registry.opened_version import open_version
from stages.registry.promotion_lock import promotion_lock
from stages.registry.rule import Verdict
from stages.registry.store import Store
from stages.registry.stored_package import require_loadable
from stages.registry.versions import get_version


@dataclass(frozen=True)
class Outcome:
    """What a promotion or a rollback did.

    Attributes:
        name: Registered model.
        version: The version that was judged, or returned to.
        before: Where the alias was; None for nowhere.
        verdict: The gate's verdict; empty for a rollback.
        reported: Figures that the gate does not require, by name.
        moved: Whether the alias points at `version` now.
    """

    name: str
    version: str
    before: str | None
    verdict: Verdict
    reported: Mapping[str, str]
    moved: bool


def promote(
    client: Client,
    store: Store,
    name: str,
    version: str | None,
    gate: Gate,
    *,
    alias: str = CHAMPION,
    override: str | None = None,
) -> Outcome:
    """Assess a version and, if it passes, move an alias to it.

    Args:
        client: Client of `store`.
        store: The tracking store.
        name: Registered model.
        version: Version to promote; None for the candidate.
        gate: The rule and its inputs.
        alias: Alias to move.
        override: A reason to move the alias although the gate fails. Verdict and reason are both
            recorded.

    Raises:
        NotFound: There is no such version, or no candidate.
        InputError: The alias points at it already, another promotion is in progress, or a file of
            the version was changed.
    """
    if alias == CANDIDATE:
        raise InputError(f"{name}: only `dvc repro` moves {alias}; name another alias")
    with promotion_lock(store, name):
        snapshot = take_snapshot(client, name, alias)
        number = version or candidate(client, name)
        entry = get_version(client, name, number)
        require_loadable(name, number)
        if number == snapshot.version:
            raise InputError(f"{name} version {number} is the {alias} already; nothing to do")
        with tempfile.TemporaryDirectory() as scratch:
            package = open_version(client, name, entry, Path(scratch) / "package", key=gate.key)
            assessment = assess(client, name, entry, package, snapshot.version, gate)
        tags = _gate_tags(assessment, snapshot.version, override)
        _keep_verdict(client, name, entry, assessment, tags)
        moved = assessment.verdict.passed or override is not None
        if moved:
            move_alias(
                client,
                store,
                name,
                alias,
                number,
                kind="promote",
                why=_reason(assessment, override),
                package_digest=package.digest,
                snapshot=snapshot,
                verdict={
                    **tags,
                    "reasons": [vars(reason) for reason in assessment.verdict.reasons],
                    "reported": dict(assessment.reported),
                },
            )
        return Outcome(
            name, number, snapshot.version, assessment.verdict, assessment.reported, moved
        )


def rollback(
    client: Client,
    store: Store,
    name: str,
    *,
    why: str,
    alias: str = CHAMPION,
    key: Path | None = None,
) -> Outcome:
    """Move an alias back to the version that it pointed at before.

    Args:
        client: Client of `store`.
        store: The tracking store.
        name: Registered model.
        why: The reason.
        alias: Alias to move.
        key: As of `Gate`.

    Raises:
        NotFound: There is no such version, or the registry no longer has it.
        InputError: A file of that version was changed.
    """
    with promotion_lock(store, name):
        snapshot = take_snapshot(client, name, alias)
        moves = [move for move in read_moves(client, name) if move.alias == alias]
        _, stack = replay(moves, snapshot.version)
        if snapshot.version is None or len(stack) < 2:
            raise NotFound(
                f"{name}: expected an earlier {alias} to return to, found none in the history "
                f"(now: {snapshot.version or 'none'}); see `pneumonia history`"
            )
        previous = stack[-2]
        entry = get_version(client, name, previous)
        require_loadable(name, previous)
        with tempfile.TemporaryDirectory() as scratch:
            package = open_version(client, name, entry, Path(scratch) / "package", key=key)
        move_alias(
            client,
            store,
            name,
            alias,
            previous,
            kind="rollback",
            why=why,
            package_digest=package.digest,
            snapshot=snapshot,
        )
        return Outcome(name, previous, snapshot.version, Verdict(()), {}, True)


def candidate(client: Client, name: str) -> str:
    """Return the version at the alias `candidate`.

    Raises:
        NotFound: There is none.
    """
    number = alias_version(client, name, CANDIDATE)
    if number is None:
        raise NotFound(
            f"{name}: expected a candidate, found none: no model has reached the floors in "
            "params.yaml (register.floors) outside an experiment; see data/release.json, or "
            "name a version"
        )
    return number


def _gate_tags(
    assessment: Assessment, champion: str | None, override: str | None
) -> dict[str, str]:
    if assessment.verdict.passed:
        outcome = "passed"
    else:
        outcome = "failed" if override is None else "overridden"
    tags = {"gate": outcome, "gate_against": champion or "no champion"}
    if override is not None:
        tags["gate_override"] = printable(override)
    return tags


def _reason(assessment: Assessment, override: str | None) -> str:
    if assessment.verdict.passed:
        return override or "gate passed"
    return f"gate overridden: {override}"


def _keep_verdict(
    client: Client,
    name: str,
    entry: ModelVersion,
    assessment: Assessment,
    tags: Mapping[str, str],
) -> None:
    """Write the verdict to the version's tags and description, in place of an earlier one."""
    number = str(entry.version)
    for key, value in tags.items():
        client.set_model_version_tag(name, number, key, value)
    text = (entry.description or "").partition(GATE)[0]
    client.update_model_version(name, number, f"{text}{GATE}{_describe(assessment, tags)}")


def _describe(assessment: Assessment, tags: Mapping[str, str]) -> str:
    champion = tags["gate_against"]
    outcome = f"{tags['gate']}, against {f'version {champion}' if champion.isdigit() else champion}"
    if "gate_override" in tags:
        outcome += f"; override: {markdown_text(tags['gate_override'])}"
    reported = "".join(
        f"- {markdown_text(key)}: {markdown_text(value)}\n"
        for key, value in assessment.reported.items()
    )
    return (
        f"{outcome}\n\n{verdict_table(assessment.verdict)}\nReported, not required:\n\n{reported}"
    )
