"""Which image plays which role: by patient, stratified by kind, decided by the names alone."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from stages.engine.errors import InputError
from stages.images.options import PreprocessOptions
from stages.sources.index import IndexRow

TRAIN, VAL, TEST = "train", "val", "test"


def has_official_test(rows: Iterable[IndexRow]) -> bool:
    """Whether the source came with a test split of its own."""
    return any(row.source_split == TEST for row in rows)


def assign(rows: Sequence[IndexRow], options: PreprocessOptions) -> list[str]:
    """The role of each image: train, val or test.

    An official test split stays whole; where there is none, `test_fraction` of the groups of
    all images are cut off. Then `val_fraction` of the groups of the rest. A group is a
    `split_group`, and the cut is made within each mixture of kinds that groups have.

    Groups are ordered by a hash of seed, role and name, and the first of that order are
    taken: an image more or less moves only groups at the border, where numbering the groups
    and drawing from a generator would move them all.

    Raises InputError where a patient (by `patient`) would be in two roles, or a role would
    lack a class.
    """
    if has_official_test(rows):
        test = {row.path for row in rows if row.source_split == TEST}
    else:
        held = cut(rows, options.test_fraction, f"{options.seed}/{TEST}")
        test = {row.path for row in rows if row.split_group in held}
    rest = [row for row in rows if row.path not in test]
    held = cut(rest, options.val_fraction, f"{options.seed}/{VAL}")
    roles = [
        TEST if row.path in test else VAL if row.split_group in held else TRAIN for row in rows
    ]
    check_patients(rows, roles)
    check_classes(rows, roles)
    return roles


def cut(rows: Iterable[IndexRow], fraction: float, salt: str) -> set[str]:
    """`fraction` of the groups of each mixture of kinds, at least one where there are two."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        kinds[row.split_group].add(row.kind or str(row.label))
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for group, mixture in kinds.items():
        strata[tuple(sorted(mixture))].append(group)
    held: set[str] = set()
    for groups in strata.values():
        share = max(round(fraction * len(groups)), min(1, len(groups) - 1))
        held.update(shuffled(groups, salt)[:share])
    return held


def shuffled(names: Iterable[str], salt: str) -> list[str]:
    """`names` in an order that only `salt` and each name decide."""
    return sorted(
        names, key=lambda name: (hashlib.sha256(f"{salt}/{name}".encode()).digest(), name)
    )


def check_patients(rows: Sequence[IndexRow], roles: Sequence[str]) -> None:
    """Raises InputError where images of one patient have different roles."""
    seen: dict[str, set[str]] = defaultdict(set)
    for row, role in zip(rows, roles, strict=True):
        seen[row.patient].add(role)
    straddling = {patient: sorted(found) for patient, found in seen.items() if len(found) > 1}
    if straddling:
        shown = "; ".join(f"{who} in {' and '.join(where)}" for who, where in _first(straddling))
        raise InputError(
            f"data/raw: expected each patient in one split, received {len(straddling)} in two "
            f"({shown}): the source's own split leaks; move their images to one side"
        )


def check_classes(rows: Sequence[IndexRow], roles: Sequence[str]) -> None:
    """Raises InputError where a role has no image, or images of one class only."""
    counts = {role: [0, 0] for role in (TRAIN, VAL, TEST)}
    for row, role in zip(rows, roles, strict=True):
        counts[role][row.label] += 1
    for role, (normal, pneumonia) in counts.items():
        if not normal or not pneumonia:
            raise InputError(
                f"data/raw: expected images of both classes in {role}, received {normal} normal "
                f"and {pneumonia} pneumonia; give more patients of each class, or change "
                f"preprocess.{'test' if role == TEST else 'val'}_fraction"
            )


def _first(found: Mapping[str, list[str]], count: int = 5) -> list[tuple[str, list[str]]]:
    return sorted(found.items())[:count]
