"""What a census counts, as trees for a JSON file: images, sizes, duplicates, patients."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from stages.audit.census import Census, Seen
from stages.engine.classes import CLASS_NAMES
from stages.images.build import BuildResult
from stages.images.duplicates import Pair
from stages.images.duplicates import duplicate_sets as _sets
from stages.images.splits import TEST
from stages.sources.index import IndexRow

Tree = dict[str, Any]

_SHARES = (0.05, 0.5, 0.95)


def counts(built: BuildResult, census: Census) -> Tree:
    """Images and patients, by role and kind; and images by the split that the source claims."""
    return {
        "roles": {role: _by_kind(seen.records) for role, seen in census.roles.items()},
        "source_splits": {
            split or "none": _by_kind(row for row in built.images if row.source_split == split)
            for split in sorted({row.source_split for row in built.images})
        },
    }


def _by_kind(records: Iterable[Any]) -> Tree:
    images: Counter[str] = Counter()
    patients: dict[str, set[str]] = defaultdict(set)
    for record in records:
        kind = record.kind or CLASS_NAMES[record.label]
        images[kind] += 1
        patients[kind].add(record.patient)
    return {
        kind: {"images": images[kind], "patients": len(patients[kind])} for kind in sorted(images)
    }


def sizes(census: Census) -> Tree:
    """Percentiles 5, 50 and 95 of what an image's file says, by role and class."""
    return {
        role: {
            name: found for label, name in enumerate(CLASS_NAMES) if (found := _sizes(seen, label))
        }
        for role, seen in census.roles.items()
    }


def _sizes(seen: Seen, label: int) -> Tree:
    records = [record for record in seen.records if record.label == label]
    shaped = [(r.width, r.height, r.bytes) for r in records if r.width and r.height]
    facts: dict[str, list[float]] = {
        "width": [width for width, _, _ in shaped],
        "height": [height for _, height, _ in shaped],
        "width / height": [width / height for width, height, _ in shaped],
        "bytes per pixel": [size / (wide * high) for wide, high, size in shaped if size],
        "JPEG table mean": [r.jpeg_table_mean for r in records if r.jpeg_table_mean is not None],
    }
    found: Tree = {name: _percentiles(values) for name, values in facts.items() if values}
    profiles = [record.icc for record in records if record.icc is not None]
    return {**found, "ICC profile": round(sum(profiles) / len(profiles), 3)} if profiles else found


def _percentiles(values: Sequence[float]) -> list[float]:
    """Values that do occur, none that lies between two."""
    found = np.quantile(np.array(values, np.float64), _SHARES, method="inverted_cdf")
    return [round(float(value), 3) for value in found]


def duplicate_sets(built: BuildResult) -> list[Tree]:
    """The images that are one image: a tree for each set of two or more."""
    found = []
    sets = _sets(built.pairs)
    number = {image: place for place, images in enumerate(sets) for image in images}
    linked: dict[int, list[Pair]] = defaultdict(list)
    for pair in built.pairs:
        linked[number[pair.first]].append(pair)
    for place, images in enumerate(sets):
        links = linked[place]
        rows = [built.images[image] for image in images]
        found.append(
            {
                "images": [row.path for row in rows],
                "roles": sorted({built.roles[image] for image in images}),
                "source_splits": sorted({row.source_split for row in rows}),
                "labels": sorted({CLASS_NAMES[row.label] for row in rows}),
                "patients": sorted({row.patient for row in rows}),
                "equal_files": all(pair.equal_files for pair in links),
                "distance": max(pair.distance for pair in links),
            }
        )
    return found


def patients(built: BuildResult) -> Tree:
    """Patients in two roles (splits.py refuses them, so none), under both labels; and groups with
    images on both sides of an official test split, which is never recut."""
    roles: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[int]] = defaultdict(set)
    for row, home in zip(built.images, built.roles, strict=True):
        roles[row.patient].add(home)
        labels[row.patient].add(row.label)
    return {
        "in_two_roles": sorted(patient for patient, found in roles.items() if len(found) > 1),
        "under_both_labels": sorted(who for who, found in labels.items() if len(found) > 1),
        "groups_in_train_and_official_test": len(
            _groups(row for row in built.images if row.source_split == TEST)
            & _groups(row for row in built.images if row.source_split != TEST)
        ),
    }


def _groups(rows: Iterable[IndexRow]) -> set[str]:
    return {row.split_group for row in rows}
