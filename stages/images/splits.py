"""Assign groups of patients to roles by a hash of their name alone, so that growth moves nobody."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from stages.engine.errors import InputError
from stages.images.duplicates import Pair, merge_groups
from stages.images.frozen_roles import NOTHING_FROZEN, FrozenRoles
from stages.images.options import PreprocessOptions
from stages.images.role_names import GUARDED, TAIL, TEST, TRAIN, VAL
from stages.sources.index import IndexRow

_LISTED = 5
_LAST = "\uffff"
"""Sorts behind every name."""


def is_official(row: IndexRow) -> bool:
    """Whether an image is in the test split of its own source, which stays whole."""
    return row.source_split == TEST


def describe_test(rows: Sequence[IndexRow]) -> str:
    """Return how the test split was made: "official", "cut by patient", or both."""
    may_be_cut = set(groups_allowed_in_test(rows).values())
    if not any(map(is_official, rows)):
        return "cut by patient"
    return "official and cut by patient" if True in may_be_cut else "official"


def deal(group: str, options: PreprocessOptions, *, may_test: bool) -> str:
    """Return the role that a group's name gives it: train, val or test.

    A hash of seed, role and name, as a number from 0 to 1, is compared with the role's fraction.
    No other group has a part in it.

    Args:
        group: Its name.
        options: Seed and fractions.
        may_test: Whether a test is cut from the group's source.
    """
    if may_test and _share(group, f"{options.seed}/{TEST}") < options.test_fraction:
        return TEST
    return VAL if _share(group, f"{options.seed}/{VAL}") < options.val_fraction else TRAIN


def assign_roles(
    rows: Sequence[IndexRow],
    options: PreprocessOptions,
    pairs: Sequence[Pair] = (),
    frozen: FrozenRoles = NOTHING_FROZEN,
) -> list[str]:
    """Return the role of each image: train, val, test or, where frozen, val_tail.

    The test split of a source stays whole, and no other image of that source is in test. All other
    images have the role of their group:

    1. the frozen one;
    2. else that of the frozen groups, or of the official test, with which the group shares an
       image, or of the official test of another source that the patient is in. Of several roles
       it is the most guarded: test before validation before training;
    3. else the most guarded of those that `deal` gives the groups that share images.

    Args:
        rows: The images.
        options: Seed and fractions.
        pairs: Which of `rows` are the same image.
        frozen: Roles of an earlier promotion.

    Raises:
        InputError: A frozen role contradicts the source's own split.
    """
    allowed = groups_allowed_in_test(rows)
    fixed = _frozen_roles(rows, frozen, allowed)
    component = dict(zip(range(len(rows)), link_groups(rows, pairs), strict=True))
    members: dict[str, set[str]] = defaultdict(set)
    nearest: dict[str, set[str]] = defaultdict(set)
    own_test = {row.source for row in rows if is_official(row)}
    tested = {row.patient for row in rows if is_official(row)}
    for number, row in enumerate(rows):
        if is_official(row):
            nearest[component[number]].add(TEST)
        else:
            members[component[number]].add(row.split_group)
            if row.split_group in fixed:
                nearest[component[number]].add(fixed[row.split_group])
            if row.patient in tested and row.source not in own_test:
                nearest[component[number]].add(TEST)
    role_of = dict(fixed)
    for name, groups in members.items():
        dealt = {group: deal(group, options, may_test=allowed[group]) for group in groups}
        for group in groups - fixed.keys():
            role_of[group] = _most_guarded(nearest[name], dealt.values(), allowed[group])
    return [TEST if is_official(row) else role_of[row.split_group] for row in rows]


def link_groups(rows: Sequence[IndexRow], pairs: Sequence[Pair]) -> list[str]:
    """Return each image's group after joining groups that share an image, under the first name.

    An image of an official test has a name of its own, unless it repeats another image: it joins
    those that repeat it.
    """
    names = [
        f"{_LAST}{number:09}" if is_official(row) else row.split_group
        for number, row in enumerate(rows)
    ]
    return merge_groups(names, pairs)


def groups_allowed_in_test(rows: Iterable[IndexRow]) -> dict[str, bool]:
    """Return whether each group may be cut off for test: its source has no test of its own."""
    rows = list(rows)
    own_test = {row.source for row in rows if is_official(row)}
    allowed: dict[str, bool] = {}
    for row in rows:
        if not is_official(row):
            here = row.source not in own_test
            allowed[row.split_group] = allowed.get(row.split_group, True) and here
    return allowed


def count_not_dealt(
    rows: Sequence[IndexRow], roles: Sequence[str], options: PreprocessOptions
) -> int:
    """Count the groups that are in another role than `deal` gives them; val_tail is of train."""
    allowed = groups_allowed_in_test(rows)
    role_of = {
        row.split_group: TRAIN if role == TAIL else role
        for row, role in zip(rows, roles, strict=True)
        if not is_official(row)
    }
    return sum(
        role != deal(group, options, may_test=allowed[group]) for group, role in role_of.items()
    )


def require_usable(rows: Sequence[IndexRow], roles: Sequence[str]) -> None:
    """Raise InputError if a patient is in two roles, or a role has images of one class only."""
    _check_patients(rows, roles)
    _check_classes(rows, roles)


def hash_order(names: Iterable[str], salt: str) -> list[str]:
    """Sort names by a salted hash: a shuffle in which no name's place depends on the others."""
    return sorted(names, key=lambda name: (_hash(name, salt), name))


def _hash(name: str, salt: str) -> bytes:
    return hashlib.sha256(f"{salt}/{name}".encode()).digest()


def _share(name: str, salt: str) -> float:
    """Return a salted hash of a name as a number from 0 to below 1."""
    return int.from_bytes(_hash(name, salt)[:6], "big") / 2**48


def _most_guarded(fixed: Iterable[str], dealt: Iterable[str], may_test: bool) -> str:
    """Return the most guarded of the `fixed` roles, else of the `dealt`; test only if allowed."""
    fixed, dealt = (
        [role for role in roles if may_test or role != TEST] for roles in (fixed, dealt)
    )
    return max(fixed or dealt, key=GUARDED.index)


def _frozen_roles(
    rows: Iterable[IndexRow], frozen: FrozenRoles, allowed: Mapping[str, bool]
) -> dict[str, str]:
    """Return the frozen roles of the groups of `rows`, those in official tests left out."""
    official = {row.split_group for row in rows if is_official(row)}
    fixed: dict[str, str] = {}
    problems = []
    for group in sorted(official):
        entry = frozen.find(group)
        if entry and entry.role != TEST and not frozen.find(group, official=True):
            problems.append(f"{group} is frozen in {entry.role}, and in its source's own test")
    for group, may_test in sorted(allowed.items()):
        entry = frozen.find_own(group)
        if entry is None:
            continue
        if entry.role == TEST and not may_test:
            problems.append(f"{group} is frozen in test, and in its source's own training split")
        fixed[group] = entry.role
    if problems:
        more = f" and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise InputError(
            f"data/roles.csv: expected roles that agree with the sources' own splits, received "
            f"{len(problems)} that don't ({'; '.join(problems[:_LISTED])}{more}): restore the "
            "source's split, or, if these are other patients of the same names, start new roles "
            "by deleting all lines of data/roles.csv but the first"
        )
    return fixed


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
        if role in counts:
            counts[role][row.label] += 1
    for role, (negative, positive) in counts.items():
        if not negative or not positive:
            raise InputError(
                f"data/raw: expected images of both classes in {role}, received {negative} "
                f"negative and {positive} positive; give more patients of each class, or change "
                f"preprocess.{'test' if role == TEST else 'val'}_fraction or preprocess.seed"
            )
