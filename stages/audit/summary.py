"""Summarise a data set as trees for a JSON file: counts, sizes, duplicates, patients."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, TypedDict

import numpy as np

from stages.audit.collector import LEVEL_SHARES, RoleImages
from stages.engine.classes import CLASS_KEYS
from stages.images import duplicates
from stages.images.build import BuildResult
from stages.images.role_names import TEST
from stages.images.shards import Record
from stages.sources.index import IndexRow

_QUANTILES = (0.05, 0.5, 0.95)


class Count(TypedDict):
    """Images, and the patients they are of."""

    images: int
    patients: int


Counts: TypeAlias = dict[str, dict[str, Count]]
"""Counts by role or split, then by kind of the positive class, or class."""

Size: TypeAlias = list[float] | float
"""Percentiles 5, 50 and 95 of a fact (of grey levels 0, 50, 100), or the share that has it."""

Sizes: TypeAlias = dict[str, dict[str, dict[str, Size]]]
"""Sizes by role, class and fact."""


class DuplicateSet(TypedDict):
    """Two or more files that show the same image.

    `distance` is the largest between their thumbnails; `roles`, `source_splits`, `labels` and
    `patients` are those of any of them.
    """

    images: list[str]
    roles: list[str]
    source_splits: list[str]
    labels: list[str]
    patients: list[str]
    equal_files: bool
    distance: float


class Patients(TypedDict):
    """Patients in two roles (`splits` refuses them) or with both labels.

    `groups_in_train_and_official_test` counts groups on both sides of an official test split, which
    stays as it is.
    """

    in_two_roles: list[str]
    under_both_labels: list[str]
    groups_in_train_and_official_test: int


def count_roles(roles: Mapping[str, RoleImages]) -> Counts:
    """Count images and patients by role and kind."""
    return {role: _count_kinds(images.records) for role, images in roles.items()}


def count_source_splits(rows: Sequence[IndexRow]) -> Counts:
    """Count images and patients by the source's own split and kind, each image once."""
    splits = sorted({row.source_split for row in rows})
    return {
        split or "none": _count_kinds(row for row in rows if row.source_split == split)
        for split in splits
    }


def _count_kinds(records: Iterable[Record | IndexRow]) -> dict[str, Count]:
    images: Counter[str] = Counter()
    patients: dict[str, set[str]] = defaultdict(set)
    for record in records:
        kind = (record.kind if record.label else "") or CLASS_KEYS[record.label]
        images[kind] += 1
        patients[kind].add(record.patient)
    return {
        kind: {"images": images[kind], "patients": len(patients[kind])} for kind in sorted(images)
    }


def summarize_sizes(roles: Mapping[str, RoleImages]) -> Sizes:
    """Summarise the facts of the image files by role and class."""
    return {
        role: {
            name: sizes
            for label, name in enumerate(CLASS_KEYS)
            if (sizes := _sizes([record for record in images.records if record.label == label]))
        }
        for role, images in roles.items()
    }


def _sizes(records: Sequence[Record]) -> dict[str, Size]:
    shapes = [(r.width, r.height, r.bytes) for r in records if r.width and r.height]
    facts: dict[str, list[float]] = {
        "width": [width for width, _, _ in shapes],
        "height": [height for _, height, _ in shapes],
        "width / height": [width / height for width, height, _ in shapes],
        "bytes per pixel": [size / (width * height) for width, height, size in shapes if size],
        "JPEG table mean": [r.jpeg_table_mean for r in records if r.jpeg_table_mean is not None],
    }
    sizes: dict[str, Size] = {
        name: _percentiles(values) for name, values in facts.items() if values
    }
    profiles = [record.icc for record in records if record.icc is not None]
    if profiles:
        sizes["ICC profile"] = round(sum(profiles) / len(profiles), 3)
    return sizes


def _percentiles(values: Sequence[float]) -> list[float]:
    """Percentiles that occur among the values; none is interpolated."""
    found = np.quantile(np.array(values, np.float64), _QUANTILES, method="inverted_cdf")
    return [round(float(value), 3) for value in found]


def summarize_grey_levels(roles: Mapping[str, RoleImages]) -> Sizes:
    """Summarise the finished grey levels, 0 to 255, by role and class.

    Each fact is a percentile of an image's grey levels: the lowest of any image, the median, the
    highest.
    """
    return {
        role: {
            name: _grey_levels(images, label)
            for label, name in enumerate(CLASS_KEYS)
            if images.count(label)
        }
        for role, images in roles.items()
    }


def _grey_levels(images: RoleImages, label: int) -> dict[str, Size]:
    rows = [row for row, record in enumerate(images.records) if record.label == label]
    levels = np.quantile(images.grey_levels[rows], (0, 0.5, 1), axis=0, method="inverted_cdf")
    return {
        f"percentile {share:.0%}".rstrip("%"): [float(value) for value in levels[:, column]]
        for column, share in enumerate(LEVEL_SHARES)
    }


def list_duplicates(result: BuildResult) -> list[DuplicateSet]:
    """Describe each set of duplicates."""
    sets = duplicates.duplicate_sets(result.pairs)
    set_of = {image: number for number, images in enumerate(sets) for image in images}
    pairs_of: dict[int, list[duplicates.Pair]] = defaultdict(list)
    for pair in result.pairs:
        pairs_of[set_of[pair.first]].append(pair)
    return [_describe_set(images, pairs_of[number], result) for number, images in enumerate(sets)]


def _describe_set(
    images: Sequence[int], pairs: Sequence[duplicates.Pair], result: BuildResult
) -> DuplicateSet:
    rows = [result.images[image] for image in images]
    return {
        "images": [row.path for row in rows],
        "roles": sorted({result.roles[image] for image in images}),
        "source_splits": sorted({row.source_split for row in rows}),
        "labels": sorted({CLASS_KEYS[row.label] for row in rows}),
        "patients": sorted({row.patient for row in rows}),
        "equal_files": all(pair.equal_files for pair in pairs),
        "distance": max(pair.distance for pair in pairs),
    }


def summarize_patients(result: BuildResult) -> Patients:
    """Find the patients and groups that stand on two sides."""
    roles: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[int]] = defaultdict(set)
    groups: dict[bool, set[str]] = {True: set(), False: set()}
    for row, role in zip(result.images, result.roles, strict=True):
        roles[row.patient].add(role)
        labels[row.patient].add(row.label)
        groups[row.source_split == TEST].add(row.split_group)
    return {
        "in_two_roles": sorted(name for name, found in roles.items() if len(found) > 1),
        "under_both_labels": sorted(name for name, found in labels.items() if len(found) > 1),
        "groups_in_train_and_official_test": len(groups[True] & groups[False]),
    }
