"""Findings: what the audit found that should be acted on before training."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from stages.audit.probes import SOURCE, Figures
from stages.audit.summary import DuplicateSet, Patients
from stages.engine.errors import InputError
from stages.images.external import is_external
from stages.images.options import LEVELS, AuditOptions, Level

SHORTCUTS = ("encoding", "shape", "frame", SOURCE)
"""Probes that see nothing of the body, the last one where there are several sources.

The thumbnail does see it, so it is for comparison only.
"""

_LISTED = 5


class Finding(TypedDict):
    """Something to act on: one line on what was found and what can be done.

    `name` is the key below preprocess.audit that sets its `level`.
    """

    name: str
    level: Level
    text: str


def find_problems(
    duplicates: Sequence[DuplicateSet],
    patients: Patients,
    probes: Mapping[str, Figures],
    options: AuditOptions,
) -> list[Finding]:
    """Return what to act on, the gravest first."""
    findings = [
        *_leaks(duplicates, options),
        *_label_conflicts(duplicates, patients, options),
        *_shortcuts(probes, options),
    ]
    return sorted(findings, key=lambda finding: LEVELS.index(finding["level"]))


def raise_on_stop(findings: Sequence[Finding], report: str) -> None:
    """Raise InputError where a finding's level is "stop".

    Args:
        findings: All of them.
        report: Where the full report is, for the message.
    """
    stopping = [finding for finding in findings if finding["level"] == "stop"]
    if stopping:
        lines = "".join(f"\n  {finding['name']}: {finding['text']}" for finding in stopping)
        keys = dict.fromkeys(f"preprocess.audit.{finding['name']}" for finding in stopping)
        raise InputError(
            f"data/raw: the audit stops here:{lines}\nNo shards were written; the full report is "
            f"{report}. Fix the source, or set {' and '.join(keys)} to warn to go on knowingly"
        )


def _leaks(duplicates: Sequence[DuplicateSet], options: AuditOptions) -> list[Finding]:
    texts = []
    split, outside = [], []
    for images in duplicates:
        own = [role for role in images["roles"] if not is_external(role)]
        if len(own) > 1:
            split.append(images)
        elif own and len(images["roles"]) > 1:
            outside.append(images)
    if split:
        official = any(len(images["source_splits"]) > 1 for images in split)
        sides = "the source's own test and its training images" if official else "two roles"
        texts.append(
            f"{_count(split)} on both sides of a split ({sides}): {_list_sets(split)}; remove them "
            "from one side"
        )
    if outside:
        texts.append(
            f"{_count(outside)} in a source with use: judge and in another one: "
            f"{_list_sets(outside)}; remove them from one of the two"
        )
    return [{"name": "leaks", "level": options.leaks, "text": text} for text in texts]


def _label_conflicts(
    duplicates: Sequence[DuplicateSet], patients: Patients, options: AuditOptions
) -> list[Finding]:
    images = [images for images in duplicates if len(images["labels"]) > 1]
    names = patients["under_both_labels"]
    texts = []
    if images:
        texts.append(
            f"{_count(images)} under both labels: {_list_sets(images)}; one label is wrong"
        )
    if names:
        texts.append(
            f"{len(names)} patients have images of both labels ({_list(names)}): right where a "
            "patient fell ill or recovered, else a label or a name is wrong"
        )
    return [
        {"name": "label_conflicts", "level": options.label_conflicts, "text": text}
        for text in texts
    ]


def _shortcuts(probes: Mapping[str, Figures], options: AuditOptions) -> list[Finding]:
    found = []
    for name in SHORTCUTS:
        roles = [
            f"{role} {figure['value']:.3f}"
            for role, figures in probes.items()
            if (figure := figures.get(name)) and figure["low"] > options.shortcut_auroc
        ]
        if roles:
            found.append(f"{name} ({', '.join(roles)})")
    if not found:
        return []
    text = (
        f"the class can be predicted without the anatomy, AUROC by {', by '.join(found)}: a "
        "network can learn that instead of the finding; evaluate it on images where it does not "
        "hold"
    )
    return [{"name": "shortcuts", "level": options.shortcuts, "text": text}]


def _count(sets: Sequence[DuplicateSet]) -> str:
    return "1 image is" if len(sets) == 1 else f"{len(sets)} images are"


def _list_sets(sets: Sequence[DuplicateSet]) -> str:
    return _list([" = ".join(images["images"]) for images in sets])


def _list(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return "; ".join(texts[:_LISTED]) + more
