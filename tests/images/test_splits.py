"""Roles are assigned by patient, stratified by kind, and stable when images are added."""

from collections import Counter
from dataclasses import asdict

import pytest

from stages.engine.errors import InputError
from stages.images.splits import assign_roles, hold_out_groups
from stages.sources.index import IndexRow
from stages.sources.names import parse
from tests.sample_images import options, paths


def rows(names: list[str]) -> list[IndexRow]:
    return [
        IndexRow(
            path=name,
            sha256="",
            bytes=1,
            width=1,
            height=1,
            jpeg_table_mean=None,
            icc=0,
            mode="L",
            **asdict(parse(name)),
        )
        for name in names
    ]


def roles_of(found: list[IndexRow], seed: int = 0) -> dict[str, str]:
    return dict(
        zip([row.path for row in found], assign_roles(found, options(seed=seed)), strict=True)
    )


def test_groups_stay_together_and_each_kind_gives_its_share() -> None:
    found = rows(paths(40))
    roles = roles_of(found)
    role_of_group: dict[str, set[str]] = {}
    for row in found:
        role_of_group.setdefault(row.split_group, set()).add(roles[row.path])
    assert all(len(seen) == 1 for seen in role_of_group.values())
    shares = Counter((parse(name).kind, role) for name, role in roles.items())
    patients = {
        key: len({parse(n).patient for n, r in roles.items() if (parse(n).kind, r) == key})
        for key in shares
    }
    for kind in ("normal", "bacterial", "viral"):
        # A quarter for test, then a quarter of the remaining 30 for val.
        assert patients[kind, "test"] == 10
        assert patients[kind, "val"] == 8


def test_an_official_test_split_stays_whole() -> None:
    found = rows(sorted([*paths(12), *paths(3, "test")]))
    # Numbers occur in both splits, as in the real set: the same patients here, so refused.
    with pytest.raises(InputError, match="each patient in one split, received 9 in two"):
        assign_roles(found, options())
    apart = [
        name.replace("IM-00", "IM-90").replace("person", "person9") for name in paths(3, "test")
    ]
    roles = roles_of(rows(sorted([*paths(12), *apart])))
    assert {path for path, role in roles.items() if role == "test"} == set(apart)


def test_equal_numbers_of_two_kinds_may_be_in_two_official_splits() -> None:
    test = ["test/NORMAL/IM-9000-0001.jpeg", "test/PNEUMONIA/person1_virus_9.jpeg"]
    assert roles_of(rows(sorted([*paths(12), *test])))[test[1]] == "test"


def test_only_the_seed_moves_the_split() -> None:
    found = rows(paths(20))
    assert roles_of(found) == roles_of(found[::-1])
    assert roles_of(found) != roles_of(found, seed=1)


def test_more_images_move_only_groups_at_the_border() -> None:
    before = roles_of(rows(paths(40)))
    after = roles_of(rows(paths(42)))
    moved = sum(before[path] != after[path] for path in before)
    assert moved <= 0.1 * len(before)


def test_a_small_stratum_still_gives_one_group() -> None:
    assert len(hold_out_groups(rows(paths(2)), 0.1, "0")) == 3
    assert hold_out_groups(rows(paths(1)), 0.1, "0") == set()


def test_a_role_without_a_class_is_refused() -> None:
    normal = [name for name in paths(12) if "NORMAL" in name]
    with pytest.raises(InputError, match="both classes in train, received 9 negative and 0"):
        assign_roles(rows(normal), options())
    one_patient = rows(["train/NORMAL/IM-1-1.jpeg", "train/PNEUMONIA/person1_virus_1.jpeg"])
    with pytest.raises(InputError, match="both classes in val"):
        assign_roles(one_patient, options())
