"""Findings and their levels as a table, on accounts written by hand; and the page."""

from typing import Any

import pytest

from stages.audit import findings
from stages.audit.page import page, summary
from stages.engine.errors import InputError
from stages.images.options import AuditOptions

USUAL = AuditOptions(leaks="stop", label_conflicts="warn", shortcuts="warn", shortcut_auroc=0.75)


def same(roles: list[str], splits: list[str], labels: list[str]) -> dict[str, Any]:
    return {
        "images": ["a.jpeg", "b.jpeg"], "roles": roles, "source_splits": splits, "labels": labels,
        "patients": ["p"], "equal_files": False, "distance": 0.012,
    }  # fmt: skip


def figure(value: float, low: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": value}


def account(**facts: Any) -> dict[str, Any]:
    quiet = {"encoding": None, "shape": figure(0.5, 0.5), "frame": figure(0.9, 0.7)}
    return {
        "format": 1, "data": "d" * 64, "source": {"name": "images.zip", "synthetic": False},
        "test": "official", "cautions": {"a lateral view": 3}, "unreadable": [],
        "duplicates": [], "merged_groups": 0, "sizes": {},
        "roles": {"train": {"normal": {"images": 2, "patients": 1}}}, "source_splits": {},
        "patients": {"in_two_roles": [], "under_both_labels": [],
                     "groups_in_train_and_official_test": 0},
        "probes": {"train": {**quiet, "thumbnail": figure(0.99, 0.98)}},
        **facts,
    }  # fmt: skip


CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "nothing": ({}, []),
    "twice in one role": ({"duplicates": [same(["train"], ["train"], ["normal"])]}, []),
    "a leak into the official test": (
        {"duplicates": [same(["test", "train"], ["test", "train"], ["normal"])]},
        [("leaks", "stop", "own test and its training images): a.jpeg = b.jpeg")],
    ),
    "two roles of ours": (
        {"duplicates": [same(["train", "val"], ["train"], ["normal"])]},
        [("leaks", "stop", "(two roles)")],
    ),
    "both labels": (
        {"duplicates": [same(["train"], ["train"], ["normal", "pneumonia"])]},
        [("label_conflicts", "warn", "1 image stands under both labels")],
    ),
    "a patient of both labels": (
        {"patients": {"in_two_roles": [], "under_both_labels": ["p1", "p2"]}},
        [("label_conflicts", "warn", "2 patients have images of both labels (p1; p2)")],
    ),
    "a shortcut": (
        {"probes": {"train": {"encoding": figure(0.99, 0.98), "shape": None, "frame": None},
                    "val": {"encoding": figure(0.9, 0.76), "shape": None, "frame": None}}},
        [("shortcuts", "warn", "AUROC by encoding (train 0.990, val 0.900)")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_findings_and_their_levels(name: str) -> None:
    facts, expected = CASES[name]
    found = findings.findings(account(**facts), USUAL)
    assert [(one.name, one.level) for one in found] == [(n, level) for n, level, _ in expected]
    for one, (_, _, said) in zip(found, expected, strict=True):
        assert said in one.text


def judged(options: AuditOptions) -> dict[str, Any]:
    facts = {**CASES["a leak into the official test"][0], **CASES["a shortcut"][0]}
    found = account(**facts)
    return {**found, "findings": [vars(one) for one in findings.findings(found, options)]}


def test_a_stop_says_what_to_do() -> None:
    with pytest.raises(InputError) as error:
        findings.stop(judged(USUAL), "there/audit.md")
    said = str(error.value)
    assert "a.jpeg = b.jpeg" in said
    assert "there/audit.md" in said
    assert "set preprocess.audit.leaks to warn" in said
    assert "encoding" not in said


def test_levels_are_the_users() -> None:
    lenient = AuditOptions(
        leaks="warn", label_conflicts="ignore", shortcuts="ignore", shortcut_auroc=0.75
    )
    findings.stop(judged(lenient), "")
    assert [line.split(":")[0] for line in summary(judged(lenient))[1:]] == ["WARN (leaks)"]
    strict = AuditOptions(
        leaks="ignore", label_conflicts="ignore", shortcuts="stop", shortcut_auroc=0.75
    )
    with pytest.raises(InputError, match=r"preprocess\.audit\.shortcuts to warn"):
        findings.stop(judged(strict), "")
    findings.stop(
        judged(
            AuditOptions(
                leaks="ignore", label_conflicts="ignore", shortcuts="stop", shortcut_auroc=0.995
            )
        ),
        "",
    )


def test_the_page_tells_all_of_it() -> None:
    text = page(judged(USUAL))
    assert "| train | 0.990 (0.980 to 0.990) | - | - |" in text
    assert (
        "Images that come twice or more: 1 (2 files, 1 pairs; equal files: 0 of 1), 1 of them"
        in text
    )
    assert "`a.jpeg` = `b.jpeg` (test, train; distance 0.0120)" in text
    assert "- 3 images: a lateral view" in text
    assert "Synthetic" not in text
    synthetic = {"name": "phantom", "synthetic": True}
    assert "says anything about patients" in page({**judged(USUAL), "source": synthetic})
    quiet = {**account(), "findings": []}
    assert "all alike" in page(quiet)
    assert "No image comes twice" in page(quiet)
    assert summary(quiet) == []
