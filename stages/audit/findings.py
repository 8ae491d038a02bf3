"""The audit: what the images of a data set say about themselves before any network sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stages.audit import facts
from stages.audit.census import Census
from stages.audit.facts import Tree
from stages.audit.probes import probe
from stages.engine.errors import InputError
from stages.images.build import BuildResult
from stages.images.options import LEVELS, AuditOptions

FORMAT = 2
SHORTCUTS = ("encoding", "shape", "frame")
"""Probes that see no lung; the thumbnail does, so it is a yardstick and no finding."""

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """Something to know before training: the param that says what it does, that `level`, and
    what was found and can be done, as one line."""

    name: str
    level: str
    text: str


def account(
    built: BuildResult,
    census: Census,
    source: Mapping[str, Any],
    options: AuditOptions,
    *,
    seed: int,
) -> Tree:
    """All that was found, as a tree for JSON; "findings" are what to act on, worst first."""
    manifest = built.manifest
    found: Tree = {
        "format": FORMAT,
        "data": manifest["digest"],
        "source": {name: source[name] for name in ("name", "synthetic")},
        "test": manifest["test"],
        **facts.counts(built, census),
        "cautions": source.get("cautions", {}),
        "unreadable": [asdict(image) for image in built.unreadable],
        "duplicates": facts.duplicate_sets(built),
        "merged_groups": built.merged_groups,
        "patients": facts.patients(built),
        "sizes": facts.sizes(census),
        "probes": probe(census.roles, seed=seed),
    }
    return {**found, "findings": [asdict(finding) for finding in findings(found, options)]}


def findings(found: Tree, options: AuditOptions) -> list[Finding]:
    """What to act on in an account, worst first."""
    every = [*_leaks(found, options), *_conflicts(found, options), *_shortcuts(found, options)]
    return sorted(every, key=lambda finding: LEVELS.index(finding.level))


def stop(found: Tree, account_in: str) -> None:
    """Raises InputError where a finding's level is "stop". account_in: where all of it lies."""
    stopping = [finding for finding in found["findings"] if finding["level"] == "stop"]
    if stopping:
        lines = "".join(f"\n  {finding['name']}: {finding['text']}" for finding in stopping)
        keys = dict.fromkeys(f"preprocess.audit.{finding['name']}" for finding in stopping)
        to_warn = f"set {' and '.join(keys)} to warn"
        raise InputError(
            f"data/raw: the audit stops here:{lines}\nNo shards were written; the whole account "
            f"is {account_in}. Mend the source, or {to_warn} to go on knowingly"
        )


def _leaks(found: Tree, options: AuditOptions) -> list[Finding]:
    across = [images for images in found["duplicates"] if len(images["roles"]) > 1]
    if not across:
        return []
    official = [images for images in across if len(images["source_splits"]) > 1]
    where = "the source's own test and its training images" if official else "two roles"
    text = (
        f"{_images(across)} on both sides of a split ({where}): {_sets(across)}; take them out of "
        "one side"
    )
    return [Finding("leaks", options.leaks, text)]


def _conflicts(found: Tree, options: AuditOptions) -> list[Finding]:
    images = [images for images in found["duplicates"] if len(images["labels"]) > 1]
    people = found["patients"]["under_both_labels"]
    texts = []
    if images:
        texts.append(f"{_images(images)} under both labels: {_sets(images)}; one label is wrong")
    if people:
        texts.append(
            f"{len(people)} patients have images of both labels ({_first(people)}): right where a "
            "child fell ill or recovered, else a label or a name is wrong"
        )
    return [Finding("label_conflicts", options.label_conflicts, text) for text in texts]


def _shortcuts(found: Tree, options: AuditOptions) -> list[Finding]:
    told = []
    for name in SHORTCUTS:
        roles = [
            f"{role} {figure['value']:.3f}"
            for role, probes in found["probes"].items()
            if (figure := probes[name]) and figure["low"] > options.shortcut_auroc
        ]
        if roles:
            told.append(f"{name} ({', '.join(roles)})")
    if not told:
        return []
    text = (
        f"the class is told without the lungs, AUROC by {', by '.join(told)}: a network can learn "
        "that in place of the chest; judge it on images where it does not hold"
    )
    return [Finding("shortcuts", options.shortcuts, text)]


def _images(sets: Sequence[Mapping[str, Any]]) -> str:
    return "1 image stands" if len(sets) == 1 else f"{len(sets)} images stand"


def _sets(sets: Sequence[Mapping[str, Any]]) -> str:
    return _first([" = ".join(images["images"]) for images in sets])


def _first(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
