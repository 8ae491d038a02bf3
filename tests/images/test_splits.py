"""A group's role follows from its name alone; growth moves nobody."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.images.duplicates import Pair
from stages.images.frozen_roles import NOTHING_FROZEN, FrozenRoles, RecordedGroup
from stages.images.splits import assign_roles, count_not_dealt, deal, require_usable
from stages.sources.index import IndexRow
from stages.sources.names import parse
from tests.sample_images import options, paths

KINDS = ("normal", "bacterial", "viral", "")


def rows(names: list[str]) -> list[IndexRow]:
    return [
        IndexRow(
            path=name,
            source="test",
            sha256="",
            bytes=1,
            width=1,
            height=1,
            jpeg_table_mean=None,
            icc=0,
            mode="L",
            part="images.zip",
            offset=0,
            **asdict(parse(name)),
        )
        for name in names
    ]


TEMPLATE = rows(["train/NORMAL/IM-0001-0001.jpeg"])[0]


def row(
    group: str, image: int = 0, *, kind: str = "normal", split: str = "", source: str = "a"
) -> IndexRow:
    return dataclasses.replace(
        TEMPLATE,
        source=source,
        path=f"{group}/{image}",
        patient=group,
        split_group=group,
        kind=kind,
        label=int(kind != "normal"),
        source_split=split,
    )


def roles_of(
    found: Sequence[IndexRow],
    pairs: Sequence[Pair] = (),
    frozen: FrozenRoles = NOTHING_FROZEN,
    seed: int = 0,
) -> dict[str, str]:
    roles = assign_roles(found, options(seed=seed), pairs, frozen)
    return dict(zip([row.path for row in found], roles, strict=True))


def of_groups(found: Sequence[IndexRow], **arguments: FrozenRoles | int) -> dict[str, str]:
    roles = roles_of(found, **arguments)  # type: ignore[arg-type]
    return {row.split_group: roles[row.path] for row in found}


def frozen_from(found: Sequence[IndexRow], frozen: FrozenRoles = NOTHING_FROZEN) -> FrozenRoles:
    """Freeze the roles that these images get."""
    roles = assign_roles(found, options(), (), frozen)
    groups = {
        RecordedGroup(row.split_group, row.source_split == "test", role)
        for row, role in zip(found, roles, strict=True)
    }
    return frozen.with_groups(groups)


def random_patients(draws: np.random.Generator, count: int) -> list[IndexRow]:
    """Images of patients with random ids, kinds and numbers of images."""
    return [
        row(f"{draws.integers(2**40):x}", image, kind=str(draws.choice(KINDS)))
        for _ in range(count)
        for image in range(draws.integers(1, 4))
    ]


@pytest.mark.parametrize("seed", range(20))
def test_growth_moves_no_patient_in_whatever_order(seed: int) -> None:
    draws = np.random.default_rng(seed)
    old, more, most = (random_patients(draws, int(draws.integers(1, 60))) for _ in range(3))
    more += [row(each.split_group, 9, kind=str(draws.choice(KINDS))) for each in old[::3]]
    before, after = roles_of(old), roles_of([*old, *more, *most])
    assert before.items() <= after.items()
    assert roles_of([*most, *more, *old]) == after
    # Frozen after the first images, after the second ones, by another seed: nobody moves either.
    frozen = frozen_from([*old, *more], frozen_from(old))
    assert roles_of([*old, *more, *most], frozen=frozen) == after
    reseeded = roles_of([*most, *old, *more], frozen=frozen, seed=1)
    for each in [*old, *more]:
        assert reseeded[each.path] == after[each.path]


def test_fractions_are_those_of_params_within_chance() -> None:
    count, errors = 4000, []
    for seed in range(20):
        dealt = Counter(
            deal(
                f"p{number}",
                options(seed=seed, test_fraction=0.15, val_fraction=0.2),
                may_test=True,
            )
            for number in range(count)
        )
        for role, share in (("test", 0.15), ("val", 0.85 * 0.2), ("train", 0.85 * 0.8)):
            errors.append((dealt[role] - count * share) / (count * share * (1 - share)) ** 0.5)
    # 60 standard scores: none beyond 4, and neither all near 0 as ranks would give.
    assert max(map(abs, errors)) < 4
    assert 0.7 < np.std(errors) < 1.3


def test_seeds_and_roles_deal_independently() -> None:
    dealt = [
        Counter(deal(f"p{n}", options(seed=seed), may_test=True) for n in range(200))
        for seed in (0, 1)
    ]
    assert dealt[0] != dealt[1]
    # Who would be in val does not depend on whether a test is cut.
    for number in range(200):
        own = deal(f"p{number}", options(), may_test=False)
        cut = deal(f"p{number}", options(), may_test=True)
        assert cut in ("test", own)


def test_golden_deals() -> None:
    # They move only with the rule; then every patient of every data set is dealt again.
    names = ["IM-0001", "person1005", "hospital/12", "Åse, 4"]
    dealt = [deal(name, options(), may_test=True) for name in names]
    assert dealt == ["train", "val", "train", "test"]


def test_an_official_test_split_stays_whole() -> None:
    found = rows(sorted([*paths(12), *paths(3, "test")]))
    # Numbers occur in both splits, as in the real set: the same patients here, so refused.
    with pytest.raises(InputError, match="each patient in one split, received 9 in two"):
        require_usable(found, assign_roles(found, options()))
    apart = [
        name.replace("IM-00", "IM-90").replace("person", "person9") for name in paths(3, "test")
    ]
    roles = roles_of(rows(sorted([*paths(12), *apart])))
    assert {path for path, role in roles.items() if role == "test"} == set(apart)


def test_equal_numbers_of_two_kinds_may_be_in_two_official_splits() -> None:
    test = ["test/NORMAL/IM-9000-0001.jpeg", "test/PNEUMONIA/person1_virus_9.jpeg"]
    found = rows(sorted([*paths(12), *test]))
    assert roles_of(found)[test[1]] == "test"
    # Frozen, the number stays on both sides.
    assert roles_of(found, frozen=frozen_from(found)) == roles_of(found)


def test_a_test_is_cut_from_each_source_that_has_none() -> None:
    own = [row(f"a/{n}", split="test" if n % 5 == 0 else "train") for n in range(100)]
    without = [row(f"b/{n}", source="b") for n in range(100)]
    roles = of_groups([*own, *without])
    assert {name for name, role in roles.items() if role == "test" and name[0] == "a"} == {
        f"a/{n}" for n in range(0, 100, 5)
    }
    assert of_groups(without).items() <= roles.items()
    assert 10 < sum(role == "test" for name, role in roles.items() if name[0] == "b") < 40
    # Sharing an image with a source's own test draws a group of the other source into test, and
    # leaves one of its own training split: a leak, which the audit stops on.
    test, train = own[0], own[1]
    other = row(find("train"), source="b")
    repeated = roles_of([*own, other], [same(0, 100), same(0, 1)])
    assert (repeated[other.path], repeated[train.path], repeated[test.path])[0::2] == ("test",) * 2
    assert repeated[train.path] != "test"


def test_only_the_seed_moves_the_split() -> None:
    found = rows(paths(20))
    assert roles_of(found) == roles_of(found[::-1])
    assert roles_of(found) != roles_of(found, seed=1)


def same(one: int, other: int) -> Pair:
    return Pair(one, other, True, 0.0)


def find(role: str, *, but: str = "") -> str:
    """A name that is dealt this role, and is not `but`."""
    names = (f"n{number}" for number in itertools.count())
    return next(n for n in names if n != but and deal(n, options(), may_test=True) == role)


def test_groups_that_share_an_image_take_the_most_guarded_role() -> None:
    train, val, test = (row(find(role)) for role in ("train", "val", "test"))
    other = row(find("train", but=train.split_group))
    assert set(roles_of([train, other], [same(0, 1)]).values()) == {"train"}
    assert set(roles_of([train, val], [same(0, 1)]).values()) == {"val"}
    found, pairs = [train, val, test], [same(0, 1), same(1, 2)]
    assert set(roles_of(found, pairs).values()) == {"test"}
    assert count_not_dealt(found, ["test"] * 3, options()) == 2


def test_a_group_that_repeats_a_frozen_one_takes_its_role() -> None:
    train, test = row(find("train")), row(find("test"))
    frozen = frozen_from([train])
    assert set(roles_of([train, test], [same(0, 1)], frozen).values()) == {"train"}
    assert set(roles_of([train, test], [same(0, 1)]).values()) == {"test"}


def test_a_frozen_tail_stays() -> None:
    normal = row(find("train"))
    frozen = NOTHING_FROZEN.with_groups([RecordedGroup(normal.split_group, False, "val_tail")])
    assert roles_of([normal], frozen=frozen) == {normal.path: "val_tail"}
    assert count_not_dealt([normal], ["val_tail"], options()) == 0


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("", "test", "a is frozen in (train|val), and in its source's own test"),
        ("test", "train", "a is frozen in test, and in its source's own training split"),
    ],
)
def test_a_frozen_role_against_the_sources_own_split_is_refused(
    before: str, after: str, problem: str
) -> None:
    name = "a"
    others = [row(f"o{n}", split="test") for n in range(2)]
    first = [row(name, split=before or "train"), *others]
    frozen = frozen_from(first)
    with pytest.raises(InputError, match=problem) as raised:
        roles_of([row(name, split=after), *others], frozen=frozen)
    assert "restore the source's split, or" in str(raised.value)
    assert "deleting all lines of data/roles.csv but the first" in str(raised.value)


def test_a_cut_test_may_not_become_a_sources_training_split() -> None:
    name = find("test")
    frozen = frozen_from([row(name)])
    assert roles_of([row(name)], frozen=frozen) == {f"{name}/0": "test"}
    with pytest.raises(InputError, match="is frozen in test, and in its source's own training"):
        roles_of([row(name, split="train"), row("official", split="test")], frozen=frozen)


def test_a_test_that_lost_its_source_split_stays_a_test() -> None:
    old = [row("a", split="train"), row("b", split="test")]
    frozen = frozen_from(old)
    now = of_groups([row("a"), row("b"), row("c")], frozen=frozen)
    assert now["b"] == "test"
    assert now["a"] == of_groups(old)["a"]


def test_a_role_without_a_class_is_refused() -> None:
    normal = rows([name for name in paths(12) if "NORMAL" in name])
    with pytest.raises(InputError, match="both classes in train, received 11 negative and 0"):
        require_usable(normal, assign_roles(normal, options()))
    one_patient = rows(["train/NORMAL/IM-1-1.jpeg", "train/PNEUMONIA/person1_virus_1.jpeg"])
    with pytest.raises(InputError, match="both classes in val") as raised:
        require_usable(one_patient, assign_roles(one_patient, options(seed=3)))
    assert "change preprocess.val_fraction or preprocess.seed" in str(raised.value)


def test_who_is_in_anothers_official_split_stays_on_that_side() -> None:
    def of(source: str, names: list[str]) -> list[IndexRow]:
        return [
            replace(
                row,
                source=source,
                path=f"{source}/{row.path}",
                patient=f"{source}/{row.patient}",
                split_group=f"{source}/{row.split_group}",
            )
            for row in rows(names)
        ]

    apart = [
        name.replace("IM-00", "IM-90").replace("person", "person9") for name in paths(3, "test")
    ]
    own = of("a", sorted([*paths(12), *apart]))
    known: list[IndexRow] = []
    for split in ("test", "train"):  # of each, an image in b: fetch.same_patients joined them
        person = next(row for row in own if row.source_split == split)
        (image,) = of("b", [f"train/NORMAL/IM-70{len(known)}-0001.jpeg"])
        known.append(replace(image, patient=person.patient, split_group=person.split_group))
    both = [*own, *known, *of("b", paths(20))]
    for seed in range(5):
        roles = assign_roles(both, options(seed=seed))
        require_usable(both, roles)  # nobody in two roles
        role_of = dict(zip([row.path for row in both], roles, strict=True))
        assert role_of[known[0].path] == "test"
        assert role_of[known[1].path] in ("train", "val")
