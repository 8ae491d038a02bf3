"""Set aside images that would be in two roles at once: repeats of patients with frozen roles.

Patients who share an image are in one role (`splits.assign_roles`). That fails where both have a
role already: the frozen ones, or a source's own test. The image that came last is set aside then.
Of an old patient it is not known which image is new; there the image in the more guarded role
stays. Images are taken in the order in which roles were frozen, so that the same images are set
aside after the next promotion.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.images import splits
from stages.images.duplicates import SIDE, Pair, duplicate_sets, find_pairs, thumbnail
from stages.images.external import external_role
from stages.images.frozen_roles import FrozenRoles
from stages.images.options import PreprocessOptions
from stages.images.prepared_images import PreparedImages
from stages.images.role_names import GUARDED
from stages.sources.index import IndexRow

Item = TypeVar("Item")


@dataclass(frozen=True)
class Assigned:
    """Roles of the images that are left in `PreparedImages`.

    Attributes:
        roles: Of each image.
        ages: Of each image: the number of the promotion that froze its group; of a group that is
            not frozen, the number of the next. 0 in a source's own test.
        pairs: Which images are the same.
        joined: By its own name, the name under which a group was joined with others.
        not_dealt: Number of groups in another role than their names give them.
        frozen_here: Number of groups whose role is frozen.
        new_here: Number of the other groups.
        new_sources: Sources none of whose groups has a frozen role, in the order of their names.
    """

    roles: list[str]
    ages: list[int]
    pairs: list[Pair]
    joined: Mapping[str, str]
    not_dealt: int
    frozen_here: int
    new_here: int
    new_sources: list[str]


def assign_and_set_aside(
    prepared: PreparedImages,
    options: PreprocessOptions,
    frozen: FrozenRoles,
    judges: Collection[str] = (),
) -> Assigned:
    """Assign all images to roles; groups that share an image get one `split_group`.

    Images of judges are in a role of their own. One that another source has too is a leak, which
    the audit finds: it joins no groups, and neither is set aside.

    Args:
        prepared: Loses the images that would be in two roles at once.
        options: Seed and fractions.
        frozen: Roles of an earlier promotion.
        judges: The sources whose images models are only judged on (`external`).

    Raises:
        InputError: A frozen role contradicts the source's own split.
    """
    thumbnails = np.empty((len(prepared), SIDE**2), np.uint8)
    for number in range(len(prepared)):
        thumbnails[number] = thumbnail(prepared.pixels(number))
    split = [n for n, row in enumerate(prepared.rows) if row.source not in judges]
    every_row = prepared.rows  # made anew each time, so not in the loop
    rows = [every_row[number] for number in split]
    pairs = _pairs(_rows_of(thumbnails, split), rows, range(len(rows)))
    roles = splits.assign_roles(rows, options, pairs, frozen)
    ages = [_age(row, frozen) for row in rows]
    repeated = (
        _find_conflicts(_rows_of(thumbnails, split), rows, roles, ages, pairs)
        if frozen.entries
        else {}
    )
    if repeated:
        prepared.set_aside(
            {split[n]: _reason(n, kept, rows, roles) for n, kept in repeated.items()}
        )
        thumbnails = np.delete(thumbnails, [split[number] for number in repeated], axis=0)
        left = [number for number in range(len(rows)) if number not in repeated]
        rows, roles, ages = _at(rows, left), _at(roles, left), _at(ages, left)
        split = [n for n, row in enumerate(prepared.rows) if row.source not in judges]
        pairs = _pairs(_rows_of(thumbnails, split), rows, range(len(rows)))
    names = splits.link_groups(rows, pairs)
    joined = {
        row.split_group: name
        for row, name in zip(rows, names, strict=True)
        if not splits.is_official(row) and row.split_group != name
    }
    not_dealt = splits.count_not_dealt(rows, roles, options)
    keys = {frozen.hash_of(row.split_group, official=splits.is_official(row)) for row in rows}
    here = len(keys & frozen.entries.keys())
    of_split = dict(zip(split, zip(roles, ages, strict=True), strict=True))
    assigned = [
        of_split.get(number, (external_role(row.source), 0))
        for number, row in enumerate(prepared.rows)
    ]
    prepared.set_groups(
        [
            row.split_group
            if row.source in judges or splits.is_official(row)
            else joined.get(row.split_group, row.split_group)
            for row in prepared.rows
        ]
    )
    return Assigned(
        roles=[role for role, _ in assigned],
        ages=[age for _, age in assigned],
        pairs=_pairs(thumbnails, prepared.rows, range(len(prepared))) if judges else pairs,
        joined=dict(sorted(joined.items())),
        not_dealt=not_dealt,
        frozen_here=here,
        new_here=len(keys) - here,
        new_sources=sorted(
            {row.source for row in rows}
            - {row.source for row in rows if frozen.find_own(row.split_group)}
        ),
    )


def _at(items: Sequence[Item], numbers: Sequence[int]) -> list[Item]:
    return [items[number] for number in numbers]


def _rows_of(thumbnails: NDArray[np.uint8], numbers: Sequence[int]) -> NDArray[np.uint8]:
    """Return the thumbnails of these numbers, ascending; without a copy if they are all."""
    return thumbnails if len(numbers) == len(thumbnails) else thumbnails[list(numbers)]


def _pairs(
    thumbnails: NDArray[np.uint8], rows: Sequence[IndexRow], numbers: Sequence[int]
) -> list[Pair]:
    """Return the duplicates among the images of these numbers, which they keep."""
    found = find_pairs(_rows_of(thumbnails, numbers), [rows[number].sha256 for number in numbers])
    return [
        Pair(numbers[pair.first], numbers[pair.second], pair.equal_files, pair.distance)
        for pair in found
    ]


def _age(row: IndexRow, frozen: FrozenRoles) -> int:
    if splits.is_official(row):
        return 0
    entry = frozen.find_own(row.split_group)
    return entry.since if entry else frozen.latest + 1


def _find_conflicts(
    thumbnails: NDArray[np.uint8],
    rows: Sequence[IndexRow],
    roles: Sequence[str],
    ages: Sequence[int],
    pairs: Sequence[Pair],
) -> dict[int, int]:
    """Return the images to set aside, each with an image that it repeats in another role."""
    found: dict[int, int] = {}
    own_split = [not allowed for allowed in _allowed(rows)]
    if not _in_two_roles(pairs, rows, roles, own_split):
        return found
    for age in sorted(set(ages)):
        while True:
            numbers = [n for n in range(len(rows)) if ages[n] <= age and n not in found]
            pairs = _pairs(thumbnails, rows, numbers)
            sets = _in_two_roles(pairs, rows, roles, own_split)
            if not sets:
                break
            for images in sets:
                found |= _last_ones(images, roles, ages)
    return found


def _allowed(rows: Sequence[IndexRow]) -> list[bool]:
    """Return whether each image is in an official test, or may be cut off for test."""
    allowed = splits.groups_allowed_in_test(rows)
    return [splits.is_official(row) or allowed[row.split_group] for row in rows]


def _in_two_roles(
    pairs: Sequence[Pair],
    rows: Sequence[IndexRow],
    roles: Sequence[str],
    own_split: Sequence[bool],
) -> list[tuple[int, ...]]:
    """Return the sets of equal images that are in two roles.

    Those that lie on both sides of their source's own split are left to the audit, which stops:
    they are not for this pipeline to choose from.
    """
    return [
        images
        for images in duplicate_sets(pairs)
        if len({roles[number] for number in images}) > 1
        and not (
            any(splits.is_official(rows[number]) for number in images)
            and any(own_split[number] for number in images)
        )
    ]


def _last_ones(images: Sequence[int], roles: Sequence[str], ages: Sequence[int]) -> dict[int, int]:
    """Return the images of a set that have to go, each with one in another role that stays."""
    last = max(ages[number] for number in images)
    newest = [number for number in images if ages[number] == last]
    older = [number for number in images if ages[number] < last]
    there = {roles[number] for number in older}
    if len(there) > 1:  # only the newest images connect them
        going = newest
    else:
        staying = there or {max((roles[number] for number in images), key=GUARDED.index)}
        going = [number for number in newest if roles[number] not in staying]
    return {
        number: next(other for other in images if roles[other] != roles[number]) for number in going
    }


def _reason(number: int, other: int, rows: Sequence[IndexRow], roles: Sequence[str]) -> str:
    return (
        f"repeats {rows[other].path} of a patient in {roles[other]}; its own patient is in "
        f"{roles[number]}"
    )
