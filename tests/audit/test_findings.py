"""Findings and their levels as a table, from reports written by hand; and the page."""

from typing import Any

import pytest

from stages.audit.findings import Finding, find_problems, raise_on_stop
from stages.audit.page import Report, render_page, summary_lines
from stages.audit.probes import Figure
from stages.audit.summary import DuplicateSet
from stages.engine.errors import InputError
from stages.images.options import AuditOptions
from tests.changed import changed

CLASSES = ("intact", "fracture")
DEFAULT = AuditOptions(leaks="stop", label_conflicts="warn", shortcuts="warn", shortcut_auroc=0.75)


def duplicates(roles: list[str], splits: list[str], labels: list[str]) -> DuplicateSet:
    return {
        "images": ["a.jpeg", "b.jpeg"],
        "roles": roles,
        "source_splits": splits,
        "labels": labels,
        "patients": ["p"],
        "equal_files": False,
        "distance": 0.012,
    }


def figure(value: float, low: float) -> Figure:
    return {"value": value, "low": low, "high": value}


def report(**entries: Any) -> Report:
    """Make a report without findings, but for `entries`."""
    quiet = {"encoding": None, "shape": figure(0.5, 0.5), "frame": figure(0.9, 0.7)}
    base: Report = {
        "format": 2,
        "data": "d" * 64,
        "source": {"name": "images.zip", "synthetic": False},
        "test": "official",
        "cautions": {"a lateral view": 3},
        "unreadable": [],
        "duplicates": [],
        "merged_groups": 0,
        "groups_not_dealt": 0,
        "repeats": [],
        "sizes": {},
        "grey_levels": {},
        "roles": {"train": {"negative": {"images": 2, "patients": 1}}},
        "source_splits": {},
        "patients": {
            "in_two_roles": [],
            "under_both_labels": [],
            "groups_in_train_and_official_test": 0,
        },
        "probes": {"train": {**quiet, "thumbnail": figure(0.99, 0.98)}},
        "findings": [],
    }
    merged: Any = {**base, **entries}
    typed: Report = merged
    return typed


LEAK = {"duplicates": [duplicates(["test", "train"], ["test", "train"], ["negative"])]}
SHORTCUT = {
    "probes": {
        "train": {"encoding": figure(0.99, 0.98), "shape": None, "frame": None},
        "val": {"encoding": figure(0.9, 0.76), "shape": None, "frame": None},
    }
}

CASES: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "nothing": ({}, []),
    "twice in one role": ({"duplicates": [duplicates(["train"], ["train"], ["negative"])]}, []),
    "a leak into the official test": (
        LEAK,
        [("leaks", "stop", "own test and its training images): a.jpeg = b.jpeg")],
    ),
    "a leak between roles that were cut here": (
        {"duplicates": [duplicates(["train", "val"], ["train"], ["negative"])]},
        [("leaks", "stop", "(two roles)")],
    ),
    "both labels": (
        {"duplicates": [duplicates(["train"], ["train"], ["negative", "positive"])]},
        [("label_conflicts", "warn", "1 image is under both labels")],
    ),
    "a patient with both labels": (
        {"patients": {"in_two_roles": [], "under_both_labels": ["p1", "p2"]}},
        [("label_conflicts", "warn", "2 patients have images of both labels (p1; p2)")],
    ),
    "a shortcut": (
        SHORTCUT,
        [("shortcuts", "warn", "AUROC by encoding (train 0.990, val 0.900)")],
    ),
}


def problems(found: Report, options: AuditOptions) -> list[Finding]:
    return find_problems(found["duplicates"], found["patients"], found["probes"], options)


@pytest.mark.parametrize("name", CASES)
def test_findings_and_their_levels(name: str) -> None:
    entries, expected = CASES[name]
    findings = problems(report(**entries), DEFAULT)
    assert [(finding["name"], finding["level"]) for finding in findings] == [
        (key, level) for key, level, _ in expected
    ]
    for finding, (_, _, text) in zip(findings, expected, strict=True):
        assert text in finding["text"]


def leaking(options: AuditOptions) -> Report:
    """A report with a leak and a shortcut, and their findings."""
    found = report(**LEAK, **SHORTCUT)
    return {**found, "findings": problems(found, options)}


def test_a_stop_explains_what_to_do() -> None:
    with pytest.raises(InputError) as error:
        raise_on_stop(leaking(DEFAULT)["findings"], "folder/audit.md")
    message = str(error.value)
    assert "a.jpeg = b.jpeg" in message
    assert "folder/audit.md" in message
    assert "set preprocess.audit.leaks to warn" in message
    assert "encoding" not in message


def test_levels_are_those_of_the_params() -> None:
    lenient = AuditOptions(
        leaks="warn", label_conflicts="ignore", shortcuts="ignore", shortcut_auroc=0.75
    )
    found = leaking(lenient)
    raise_on_stop(found["findings"], "")
    assert [line.split(":")[0] for line in summary_lines(found)[1:]] == ["WARN (leaks)"]
    strict = AuditOptions(
        leaks="ignore", label_conflicts="ignore", shortcuts="stop", shortcut_auroc=0.75
    )
    with pytest.raises(InputError, match=r"preprocess\.audit\.shortcuts to warn"):
        raise_on_stop(leaking(strict)["findings"], "")
    raise_on_stop(leaking(changed(strict, shortcut_auroc=0.995))["findings"], "")


def test_the_page_holds_the_whole_report() -> None:
    text = render_page(leaking(DEFAULT), CLASSES)
    assert "| train | 0.990 (0.980 to 0.990) | - | - |" in text
    assert (
        "Images that occur twice or more: 1 (2 files, 1 pairs; equal files: 0 of 1), 1 of them"
        in text
    )
    assert "`a.jpeg` = `b.jpeg` (test, train; distance 0.0120)" in text
    assert "- 3 images: a lateral view" in text
    assert "| role | intact images (patients) |" in text
    assert "Synthetic" not in text


def test_the_page_of_synthetic_images_is_marked() -> None:
    text = render_page(report(source={"name": "phantom", "synthetic": True}), CLASSES)
    assert "Synthetic images: no statement here is about patients." in text


def test_the_page_of_a_report_without_findings() -> None:
    text = render_page(report(), CLASSES)
    assert "all alike" in text
    assert "No image occurs twice" in text
    assert summary_lines(report()) == []
