"""Assign images to roles: by patient, stratified by kind, decided by names alone."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from stages.engine.errors import InputError
from stages.images.options import PreprocessOptions
from stages.sources.index import IndexRow

TRAIN, VAL, TEST = "train", "val", "test"
_LISTED = 5


def has_official_test(rows: Iterable[IndexRow]) -> bool:
    """Whether the source has a test split of its own."""
    return any(row.source_split == TEST for row in rows)


def assign_roles(rows: Sequence[IndexRow], options: PreprocessOptions) -> list[str]:
    """Return the role of each image: train, val or test.

    An official test split stays whole. Without one, `test_fraction` of the groups of all images
    are held out for it. Then `val_fraction` of the groups of the rest are held out. A group is a
    `split_group`; groups are held out from each mixture of kinds separately.

    Groups are ordered by a hash of seed, role and name, and the first of that order are held out:
    another image in the set moves only groups at the border. Numbering the groups and drawing
    from a generator would move them all.

    Raises:
        InputError: A patient would be in two roles, or a role would have images of one class only.
    """
    if has_official_test(rows):
        test = {row.path for row in rows if row.source_split == TEST}
    else:
        held_out = hold_out_groups(rows, options.test_fraction, f"{options.seed}/{TEST}")
        test = {row.path for row in rows if row.split_group in held_out}
    rest = [row for row in rows if row.path not in test]
    held_out = hold_out_groups(rest, options.val_fraction, f"{options.seed}/{VAL}")
    roles = [
        TEST if row.path in test else VAL if row.split_group in held_out else TRAIN for row in rows
    ]
    _check_patients(rows, roles)
    _check_classes(rows, roles)
    return roles


def hold_out_groups(rows: Iterable[IndexRow], fraction: float, salt: str) -> set[str]:
    """Choose `fraction` of the groups of each mixture of kinds, at least one if there are two."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        kinds[row.split_group].add(row.kind or str(row.label))
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for group, mixture in kinds.items():
        strata[tuple(sorted(mixture))].append(group)
    held_out: set[str] = set()
    for groups in strata.values():
        count = max(round(fraction * len(groups)), min(1, len(groups) - 1))
        held_out.update(hash_order(groups, salt)[:count])
    return held_out


def hash_order(names: Iterable[str], salt: str) -> list[str]:
    """Sort names by a salted hash: a shuffle in which no name's place depends on the others."""
    return sorted(
        names, key=lambda name: (hashlib.sha256(f"{salt}/{name}".encode()).digest(), name)
    )


def _check_patients(rows: Sequence[IndexRow], roles: Sequence[str]) -> None:
    roles_of: dict[str, set[str]] = defaultdict(set)
    for row, role in zip(rows, roles, strict=True):
        roles_of[row.patient].add(role)
    straddling = sorted((name, sorted(found)) for name, found in roles_of.items() if len(found) > 1)
    if straddling:
        listed = "; ".join(
            f"{name} in {' and '.join(found)}" for name, found in straddling[:_LISTED]
        )
        raise InputError(
            f"data/raw: expected each patient in one split, received {len(straddling)} in two "
            f"({listed}): the source's own split leaks; move their images to one side"
        )


def _check_classes(rows: Sequence[IndexRow], roles: Sequence[str]) -> None:
    counts = {role: [0, 0] for role in (TRAIN, VAL, TEST)}
    for row, role in zip(rows, roles, strict=True):
        counts[role][row.label] += 1
    for role, (negative, positive) in counts.items():
        if not negative or not positive:
            raise InputError(
                f"data/raw: expected images of both classes in {role}, received {negative} "
                f"negative and {positive} positive; give more patients of each class, or change "
                f"preprocess.{'test' if role == TEST else 'val'}_fraction"
            )
