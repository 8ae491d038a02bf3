"""The audit for people: a page in Markdown, and the few lines that a stage prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.audit.findings import SHORTCUTS
from stages.metrics.pages.text import format_figure, markdown_table

Tree = Mapping[str, Any]

_LISTED = 50


def summary(found: Tree) -> list[str]:
    """What was found, in a few lines: duplicates, then each finding that warns."""
    lines = [_duplicates_line(found)] if found["duplicates"] else []
    return [
        *lines,
        *(
            f"{finding['level'].upper()} ({finding['name']}): {finding['text']}"
            for finding in found["findings"]
            if finding["level"] == "warn"
        ),
    ]


def page(found: Tree) -> str:
    """The whole account but for long lists, which findings.json holds."""
    source = found["source"]
    about = "Synthetic images: nothing here says anything about patients. "
    parts = [
        "# Audit of the data",
        f"{about if source['synthetic'] else ''}Source: {source['name']}. Test: {found['test']}. "
        f"Data {found['data'][:12]}. Made by `dvc repro preprocess`; in full: `findings.json`.",
        "## Findings",
        _findings(found),
        "## What tells the class without the lungs",
        _probes(found),
        "## Images",
        _counts(found["roles"], "role"),
        "By the split that the source claims, each image once:",
        _counts(found["source_splits"], "split"),
        "## Sizes",
        "Percentiles 5, 50 and 95 of what the files say.",
        _sizes(found),
        "## Duplicates",
        _duplicates(found),
        "## Patients",
        _patients(found),
        "## Unreadable images",
        _listed([f"`{image['path']}`: {image['reason']}" for image in found["unreadable"]])
        or "None.",
        "## Cautions",
        _listed([f"{images} images: {caution}" for caution, images in found["cautions"].items()])
        or "None from the images' headers.",
        "## Pictures",
        "![Some images of each class and role](contact.png)",
        "![Mean images of each class and role, and their difference](means.png)",
    ]
    return "\n\n".join(parts) + "\n"


def _findings(found: Tree) -> str:
    lines = [
        f"**{finding['level']}**, `preprocess.audit.{finding['name']}`: {finding['text']}"
        for finding in found["findings"]
    ]
    return _listed(lines) or "None."


def _probes(found: Tree) -> str:
    rows = [
        [role, *(_figure(probes[name]) for name in probes)]
        for role, probes in found["probes"].items()
    ]
    names = list(next(iter(found["probes"].values())))
    return (
        "AUROC of a linear model, out of fold by patient within the role, with 95% intervals from "
        f"resampling patients. {', '.join(SHORTCUTS)} see no lung; the thumbnail sees the chest, "
        "but no detail of it. 0.5 or less: nothing to tell. A dash: too few patients, or copies "
        "that never had a file.\n\n" + markdown_table(["role", *names], rows)
    )


def _figure(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return "-"
    if figure["low"] == figure["high"] == 0.5:
        return "all alike"
    return format_figure(figure)


def _counts(tree: Tree, title: str) -> str:
    kinds = sorted({kind for kinds in tree.values() for kind in kinds})
    rows = [[name, *(_images(found.get(kind)) for kind in kinds)] for name, found in tree.items()]
    return markdown_table([title, *(f"{kind} images (patients)" for kind in kinds)], rows)


def _images(found: Mapping[str, int] | None) -> str:
    return f"{found['images']} ({found['patients']})" if found else "0"


def _sizes(found: Tree) -> str:
    sized = [(role, name, facts) for role, both in found["sizes"].items()
             for name, facts in both.items()]  # fmt: skip
    columns = list(dict.fromkeys(column for _, _, facts in sized for column in facts))
    rows = [[role, name, *(_size(facts.get(column)) for column in columns)]
            for role, name, facts in sized]  # fmt: skip
    return markdown_table(["role", "class", *columns], rows)


def _size(value: Sequence[float] | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0%}"
    low, median, high = value
    return f"{median:g}" if low == high else f"{median:g} ({low:g} to {high:g})"


def _duplicates_line(found: Tree) -> str:
    sets = found["duplicates"]
    images = sum(len(each["images"]) for each in sets)
    pairs = sum(len(each["images"]) * (len(each["images"]) - 1) // 2 for each in sets)
    equal = sum(each["equal_files"] for each in sets)
    across = sum(len(each["roles"]) > 1 for each in sets)
    return (
        f"images that come twice or more: {len(sets)} ({images} files, {pairs} pairs; equal files: "
        f"{equal} of {len(sets)}), {across or 'none'} of them across roles; groups merged to keep "
        f"them together: {found['merged_groups']}"
    )


def _duplicates(found: Tree) -> str:
    if not found["duplicates"]:
        return "No image comes twice, neither as an equal file nor nearly."
    lines = [
        f"{' = '.join(f'`{path}`' for path in each['images'])} ({', '.join(each['roles'])}; "
        f"{'equal files' if each['equal_files'] else _distance(each)})"
        for each in found["duplicates"]
    ]
    about = _duplicates_line(found)
    return f"{about.capitalize()}. Re-acquired copies don't count.\n\n{_listed(lines)}"


def _distance(each: Tree) -> str:
    return f"distance {each['distance']:.4f}"


def _patients(found: Tree) -> str:
    people = found["patients"]
    return _listed(
        [
            f"{len(people['in_two_roles'])} patients are in two roles (one would stop the stage)",
            f"{len(people['under_both_labels'])} patients have images of both labels",
            f"{people['groups_in_train_and_official_test']} groups have images on both sides of an "
            "official test split, which is not recut",
        ]
    )


def _listed(lines: Sequence[str]) -> str:
    more = [f"... and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n".join(f"- {line}" for line in [*lines[:_LISTED], *more])
