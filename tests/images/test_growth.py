"""A data set that grows: old patients keep their roles, in the shards themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from stages.engine.files import read_json, sha256_file
from stages.images.build import BuildResult, build_shards
from stages.images.frozen_roles import NOTHING_FROZEN, FrozenRoles, read_recorded_groups
from stages.images.options import PreprocessOptions
from stages.images.shards import Shards, open_shards
from stages.images.shift import matched
from stages.sources.index import open_raw
from tests.sample_images import encoded, options, paths, picture, raw

TAILED = options(tail_fraction=0.2, matched_donors=3)


@pytest.fixture(autouse=True)
def _few_images_match(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matched, "MIN_AUROC", 0.0)  # so few images match only by chance
    monkeypatch.setattr(matched, "MAX_AUROC", 1.0)


class Preprocessed:
    """Shards of images of noise with these names, in a folder of their own."""

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        frozen: FrozenRoles = NOTHING_FROZEN,
        *,
        contents: Mapping[str, bytes] | None = None,
        params: PreprocessOptions = TAILED,
    ) -> None:
        folder.mkdir()
        images, _ = open_raw(raw(folder / "raw", sorted(names), dict(contents or {})))
        self.folder = folder / "shards"
        self.result: BuildResult = build_shards(
            images, params, self.folder, frozen=frozen, workers=1
        )

    @property
    def shards(self) -> Shards:
        return open_shards(self.folder)

    def frozen(self, frozen: FrozenRoles = NOTHING_FROZEN) -> FrozenRoles:
        """Return the roles after a promotion of this data set."""
        joined = read_json(self.folder / "manifest.json")["joined_groups"]
        return frozen.with_groups(read_recorded_groups(self.folder / "records.csv", joined))

    def digests(self) -> dict[str, str]:
        return {path.name: sha256_file(path) for path in self.folder.iterdir()}

    def roles(self) -> set[tuple[str, str]]:
        """Return each image with each of its roles, re-acquired copies included."""
        records = self.shards.records
        return set(zip(records["id"], records["role"], strict=True))

    def copies(self) -> dict[str, bytes]:
        """Return the pixels of each re-acquired copy."""
        role = self.shards.role("val_matched")
        return {
            name: pixels.tobytes()
            for name, pixels in zip(role.records["id"], role.pixels, strict=True)
            if "#" in name
        }


def grown(draws: np.random.Generator, count: int) -> list[str]:
    """Names of the images of `count` patients that no other call gives, and of further ones."""
    normal, bacterial, viral = (draws.integers(10**5, 10**9, count) for _ in range(3))
    return [
        name
        for n, b, v in zip(normal, bacterial, viral, strict=True)
        for name in (
            f"train/NORMAL/IM-{n}-0001.jpeg",
            f"train/PNEUMONIA/person{b}_bacteria_1.jpeg",
            f"train/PNEUMONIA/person{v}_virus_{n % 7}.jpeg",
        )[: draws.integers(1, 4)]
    ]


@pytest.mark.parametrize("seed", range(3))
def test_old_images_keep_their_roles_and_copies_through_two_promotions(
    seed: int, tmp_path: Path
) -> None:
    draws = np.random.default_rng(seed)
    names = paths(12)
    first = Preprocessed(tmp_path / "first", names)
    frozen = first.frozen()
    assert Preprocessed(tmp_path / "first again", names, frozen).digests() == first.digests()

    names += [*grown(draws, 9), "train/PNEUMONIA/person5_bacteria_99.jpeg"]
    second = Preprocessed(tmp_path / "second", names, frozen)
    assert first.roles() <= second.roles()
    assert first.copies().items() <= second.copies().items()
    assert second.result.frozen_groups == len(frozen.entries)
    assert second.result.new_groups > 0

    frozen = second.frozen(frozen)
    assert Preprocessed(tmp_path / "second again", names, frozen).digests() == second.digests()

    names += grown(draws, 9)
    other = options(seed=7, tail_fraction=0.0, val_fraction=0.1, matched_donors=3)
    third = Preprocessed(tmp_path / "third", names, frozen, params=other)
    of_patients = {item for item in second.roles() if item[1] != matched.ROLE}
    assert of_patients <= third.roles()
    assert third.result.groups_not_dealt > 0


def test_without_frozen_roles_growth_moves_nobody_but_the_tail(tmp_path: Path) -> None:
    names = paths(12)
    plain = options(matched_donors=0)
    first = Preprocessed(tmp_path / "first", names, params=plain)
    more = [*names, *grown(np.random.default_rng(0), 20)]
    second = Preprocessed(tmp_path / "second", more, params=plain)
    assert first.roles() <= second.roles()


def names_of(frozen_shards: Preprocessed, role: str) -> list[str]:
    records = frozen_shards.shards.records
    return list(records.loc[records["role"] == role, "id"])


@pytest.mark.parametrize("saved", ["the same file", "saved again"])
@pytest.mark.parametrize("role", ["train", "val", "test", "val_tail"])
def test_a_new_image_that_repeats_an_old_one_takes_its_role(
    role: str, saved: str, tmp_path: Path
) -> None:
    first = Preprocessed(tmp_path / "first", paths(12))
    old = next(name for name in names_of(first, role) if "NORMAL" in name)
    for number in range(3):  # whatever role the new patient's name would give
        new = f"train/NORMAL/IM-{9000 + number}-0001.jpeg"
        content = encoded(picture(old), quality=75 if saved == "the same file" else 50)
        again = Preprocessed(
            tmp_path / str(number), [*paths(12), new], first.frozen(), contents={new: content}
        )
        assert (new, role) in again.roles()
        assert first.roles() <= again.roles()
        assert not again.result.repeats


def test_a_new_image_that_connects_two_roles_is_set_aside(tmp_path: Path) -> None:
    names = paths(12)
    first = Preprocessed(tmp_path / "first", names)
    in_train, in_test = names_of(first, "train")[0], names_of(first, "test")[0]
    one, other, own = (f"train/NORMAL/IM-9000-000{n}.jpeg" for n in (1, 2, 3))
    contents = {one: encoded(picture(in_train)), other: encoded(picture(in_test))}
    more = [*names, one, other, own]
    second = Preprocessed(tmp_path / "second", more, first.frozen(), contents=contents)
    assert first.roles() <= second.roles()
    assert {(other, "test"), (own, "test")} <= second.roles()
    assert one not in {name for name, _ in second.roles()}
    (aside,) = second.result.repeats
    assert (aside.path, aside.reason) == (
        one,
        f"repeats {in_train} of a patient in train; its own patient is in test",
    )
    # Frozen in their turn, the same images are set aside for the same reason.
    frozen = second.frozen(first.frozen())
    again = Preprocessed(tmp_path / "again", more, frozen, contents=contents)
    assert again.digests() == second.digests()
    assert again.result.repeats == second.result.repeats


def test_of_two_old_patients_the_more_guarded_keeps_the_image(tmp_path: Path) -> None:
    names = paths(12)
    first = Preprocessed(tmp_path / "first", names)
    in_train, in_test = names_of(first, "train")[0], names_of(first, "test")[0]
    # A further image of the patient in train is one of the patient in test.
    new = in_train.replace("-0001.", "-0009.")
    assert new != in_train
    second = Preprocessed(
        tmp_path / "second",
        [*names, new],
        first.frozen(),
        contents={new: encoded(picture(in_test))},
    )
    assert first.roles() <= second.roles()
    assert [aside.path for aside in second.result.repeats] == [new]


def further(name: str) -> str:
    """Name a further image of the same patient."""
    return name.replace(".jpeg", "1.jpeg")


@pytest.mark.parametrize("seed", range(4))
def test_random_repeats_are_in_one_role_and_come_out_the_same_once_frozen(
    seed: int, tmp_path: Path
) -> None:
    draws = np.random.default_rng(seed)
    plain = options(matched_donors=0, val_fraction=0.4, test_fraction=0.3)
    names, contents, frozen = paths(8), dict[str, bytes](), NOTHING_FROZEN
    before: set[tuple[str, str]] = set()
    for month in range(3):
        folder = tmp_path / str(month)
        built = Preprocessed(folder, names, frozen, contents=contents, params=plain)
        aside = {image.path for image in built.result.repeats}
        assert {item for item in before if item[0] not in aside} <= built.roles()
        role_of = dict(zip(built.shards.records["id"], built.shards.records["role"], strict=True))
        for pair in built.result.pairs:
            one, other = (built.result.images[number].path for number in (pair.first, pair.second))
            assert role_of[one] == role_of[other]
        frozen = built.frozen(frozen)
        folder = tmp_path / f"{month} again"
        again = Preprocessed(folder, names, frozen, contents=contents, params=plain)
        assert again.digests() == built.digests()
        assert again.result.repeats == built.result.repeats
        before = built.roles()
        new = set(grown(draws, 6))
        new |= {further(name) for name in [*sorted(new), *names] if draws.random() < 0.4}
        new -= {*names}
        for name in sorted(new):  # half of them repeat an image, of another patient, old or new
            if draws.random() < 0.5:
                contents[name] = encoded(picture(str(draws.choice([*names, *sorted(new)]))))
        names = [*names, *sorted(new)]
