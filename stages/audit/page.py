"""Render the report of the audit: a page in Markdown, and the few lines that a stage prints."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

from stages.audit.findings import SHORTCUTS, Finding
from stages.audit.probes import Figure, Figures
from stages.audit.summary import Count, Counts, DuplicateSet, Patients, Size, Sizes
from stages.engine.classes import CLASS_KEYS
from stages.metrics.pages.text import code_span, format_figure, markdown_table, markdown_text
from stages.sources.patient_ids import MergedPatients

_LISTED = 50
_GREY_LEVELS = (
    "Percentiles of an image's finished grey levels, 0 (black) to 255 (white): of the median "
    "image, and the lowest and highest of any. An image that shows no picture is refused and "
    "listed below."
)


class Report(TypedDict):
    """The report of the audit, as findings.json holds it.

    `data` is the digest of the shards, `test` how the test split was made, `cautions` the number
    of images with each thing that makes an image doubtful, and `merged_patients` those that the
    source spells in several ways, if there are any. `repeats` are images that were set aside, and
    `groups_not_dealt` counts groups in another role than their names give them.
    """

    format: int
    data: str
    source: dict[str, Any]
    test: str
    roles: Counts
    source_splits: Counts
    cautions: dict[str, int]
    merged_patients: NotRequired[MergedPatients]
    unreadable: list[dict[str, str]]
    duplicates: list[DuplicateSet]
    merged_groups: int
    groups_not_dealt: int
    repeats: list[dict[str, str]]
    patients: Patients
    sizes: Sizes
    grey_levels: Sizes
    probes: dict[str, Figures]
    findings: list[Finding]


def summary_lines(report: Report) -> list[str]:
    """Return a few lines to print: duplicates, then each finding that warns."""
    lines = [_duplicates_line(report)] if report["duplicates"] else []
    if report["repeats"]:
        lines.append(f"images that repeat one of another role, set aside: {len(report['repeats'])}")
    if report["groups_not_dealt"]:
        lines.append(_not_dealt_line(report))
    if merged := report.get("merged_patients"):
        lines.append(str(merged))
    return [
        *lines,
        *(
            f"{finding['level'].upper()} ({finding['name']}): {finding['text']}"
            for finding in report["findings"]
            if finding["level"] == "warn"
        ),
    ]


def render_page(report: Report, classes: tuple[str, str]) -> str:
    """Return the page: the whole report except that long lists are shortened.

    classes: Names of the labels 0 and 1.
    """
    return "\n\n".join(_sections(report, dict(zip(CLASS_KEYS, classes, strict=True)))) + "\n"


def _sections(report: Report, names: Mapping[str, str]) -> list[str]:
    """Return the page in parts; `names` of the classes by their keys."""
    source = report["source"]
    synthetic = "Synthetic images: no statement here is about patients. "
    return [
        "# Audit of the data",
        f"{synthetic if source['synthetic'] else ''}Source: {markdown_text(source['name'])}. "
        f"Test: {report['test']}. Data {report['data'][:12]}. Made by `dvc repro preprocess`; "
        "in full: `findings.json`.",
        "## Findings",
        _findings(report["findings"]),
        "## How well the class can be predicted without the anatomy",
        _probes(report["probes"]),
        "## Images",
        _counts(report["roles"], "role", names),
        "By the source's own split, each image once:",
        _counts(report["source_splits"], "split", names),
        "## Sizes",
        "Percentiles 5, 50 and 95 of the image files' facts.",
        _sizes(report["sizes"], names),
        "## Grey levels",
        f"{_GREY_LEVELS}\n\n{_sizes(report['grey_levels'], names)}",
        "## Duplicates",
        _duplicates(report),
        "## Patients",
        _patients(report),
        *(_merged(merged) if (merged := report.get("merged_patients")) else ()),
        "## Images set aside because they repeat one of another role",
        _bullets([f"`{image['path']}`: {image['reason']}" for image in report["repeats"]])
        or "None.",
        "## Unreadable images",
        _bullets(
            [
                f"{code_span(image['path'])}: {markdown_text(image['reason'])}"
                for image in report["unreadable"]
            ]
        )
        or "None.",
        "## Cautions",
        _bullets(
            [
                f"{count} images: {markdown_text(caution)}"
                for caution, count in report["cautions"].items()
            ]
        )
        or "None from the images' headers.",
        "## Pictures",
        "![Some images of each class and role](contact.png)",
        "![Mean images of each class and role, and their difference](means.png)",
    ]


def _findings(findings: Sequence[Finding]) -> str:
    lines = [
        f"**{finding['level']}**, `preprocess.audit.{finding['name']}`: "
        f"{markdown_text(finding['text'])}"
        for finding in findings
    ]
    return _bullets(lines) or "None."


def _probes(probes: dict[str, Figures]) -> str:
    names = list(next(iter(probes.values())))
    blind = ", ".join(name for name in SHORTCUTS if name in names)
    rows = [[role, *(_figure(figures[name]) for name in names)] for role, figures in probes.items()]
    return (
        "AUROC of a linear model, out of fold by patient within the role, with 95% intervals from "
        f"resampling patients. {blind} see nothing of the body; the thumbnail does, "
        "but no detail. 0.5 or less: no better than chance. A dash: too few patients, or "
        "copies that never had a file.\n\n" + markdown_table(["role", *names], rows)
    )


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    if figure["low"] == figure["high"] == 0.5:
        return "all alike"
    return format_figure(figure)


def _counts(counts: Counts, title: str, names: Mapping[str, str]) -> str:
    kinds = sorted({kind for by_kind in counts.values() for kind in by_kind})
    rows = [
        [name, *(_count(by_kind.get(kind)) for kind in kinds)] for name, by_kind in counts.items()
    ]
    titles = (f"{names.get(kind, kind)} images (patients)" for kind in kinds)
    return markdown_table([title, *titles], rows)


def _count(count: Count | None) -> str:
    return f"{count['images']} ({count['patients']})" if count else "0"


def _sizes(sizes: Sizes, names: Mapping[str, str]) -> str:
    groups = [
        (role, name, facts) for role, classes in sizes.items() for name, facts in classes.items()
    ]
    columns = list(dict.fromkeys(column for _, _, facts in groups for column in facts))
    rows = [
        [role, names[name], *(_size(facts.get(column)) for column in columns)]
        for role, name, facts in groups
    ]
    return markdown_table(["role", "class", *columns], rows)


def _size(size: Size | None) -> str:
    if size is None:
        return "-"
    if isinstance(size, float):
        return f"{size:.0%}"
    low, median, high = size
    return f"{median:g}" if low == high else f"{median:g} ({low:g} to {high:g})"


def _duplicates(report: Report) -> str:
    if not report["duplicates"]:
        return "No image occurs twice, neither as an equal file nor nearly equal."
    lines = [
        f"{' = '.join(map(code_span, images['images']))} ({', '.join(images['roles'])}; "
        f"{'equal files' if images['equal_files'] else _distance(images)})"
        for images in report["duplicates"]
    ]
    line = _duplicates_line(report)
    return f"{line.capitalize()}. Re-acquired copies don't count.\n\n{_bullets(lines)}"


def _duplicates_line(report: Report) -> str:
    sets = report["duplicates"]
    sizes = [len(images["images"]) for images in sets]
    pairs = sum(size * (size - 1) // 2 for size in sizes)
    equal = sum(images["equal_files"] for images in sets)
    across = sum(len(images["roles"]) > 1 for images in sets)
    return (
        f"images that occur twice or more: {len(sets)} ({sum(sizes)} files, {pairs} pairs; equal "
        f"files: {equal} of {len(sets)}), {across or 'none'} of them across roles; groups merged "
        f"to keep them together: {report['merged_groups']}"
    )


def _distance(images: DuplicateSet) -> str:
    return f"distance {images['distance']:.4f}"


def _not_dealt_line(report: Report) -> str:
    return (
        f"groups of patients in another role than seed, fractions and name give them: "
        f"{report['groups_not_dealt']} (they share an image with another group, or their role was "
        "frozen before seed or fractions changed)"
    )


def _patients(report: Report) -> str:
    patients = report["patients"]
    return _bullets(
        [
            f"{len(patients['in_two_roles'])} patients are in two roles (one would stop the stage)",
            f"{len(patients['under_both_labels'])} patients have images of both labels",
            f"{patients['groups_in_train_and_official_test']} groups have images on both sides of "
            "an official test split, which is not changed",
            _not_dealt_line(report),
        ]
    )


def _merged(merged: MergedPatients) -> list[str]:
    """Return the section's paragraphs about patients under several spellings."""
    lines = [" = ".join(map(code_span, each)) for each in merged.examples]
    intro = str(replace(merged, examples=()))
    if not lines:
        return [f"P{intro[1:]}."]
    more = merged.patients - len(lines)
    return [f"P{intro[1:]}:", _bullets([*lines, *([f"... and {more} more"] if more else [])])]


def _bullets(lines: Sequence[str]) -> str:
    more = [f"... and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n".join(f"- {line}" for line in [*lines[:_LISTED], *more])
