"""Build the shards of a data set from raw images: decode, split, match, write."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stages.engine.arrays import GrayImage
from stages.engine.files import replacing_folder
from stages.images import external, splits
from stages.images.duplicates import Pair
from stages.images.frozen_roles import NOTHING_FROZEN, FrozenRoles
from stages.images.options import PreprocessOptions
from stages.images.pixel_memory import PixelMemory
from stages.images.prepared_images import (
    PreparedImages,
    SetAside,
    prepare_all,
    record_from_index,
)
from stages.images.repeats import Assigned, assign_and_set_aside
from stages.images.role_names import TEST, TRAIN, VAL
from stages.images.shard_writer import ShardWriter
from stages.images.shards import Record
from stages.images.shift import matched, tail
from stages.sources.index import IndexRow, StoredImage


@dataclass(frozen=True)
class BuildResult:
    """What was built, for the audit.

    Attributes:
        manifest: Of the shards.
        images: Each image of the splits once, in the order of their paths.
        roles: The role that each of `images` was assigned to.
        pairs: Which of `images` are duplicates of each other.
        merged_groups: Number of split groups that were joined to another because of them.
        groups_not_dealt: Number of split groups in another role than their names give them.
        frozen_groups: Number of split groups whose role was frozen before.
        new_groups: Number of the other split groups.
        new_sources: Sources without a split group whose role was frozen before.
        unreadable: Images that can't be read.
        repeats: Images that repeat those of another role and were set aside.
    """

    manifest: dict[str, Any]
    images: Sequence[IndexRow]
    roles: Sequence[str]
    pairs: Sequence[Pair]
    merged_groups: int
    groups_not_dealt: int
    frozen_groups: int
    new_groups: int
    new_sources: Sequence[str]
    unreadable: Sequence[SetAside]
    repeats: Sequence[SetAside]


OnImage: TypeAlias = Callable[[str, Record, GrayImage], None]
"""Takes each image as it is written: role, record, and pixels, uint8 (image_px, image_px)."""


def build_shards(
    images: Sequence[StoredImage],
    options: PreprocessOptions,
    folder: Path,
    *,
    frozen: FrozenRoles = NOTHING_FROZEN,
    judges: Collection[str] = (),
    workers: int | None = None,
    memory: PixelMemory | None = None,
    on_image: OnImage | None = None,
    approve: Callable[[BuildResult], None] | None = None,
) -> BuildResult:
    """Write the shards of `images` to `folder`, whole or not at all.

    Args:
        images: The raw images, sorted by path.
        options: Section preprocess of the params.
        folder: Is replaced.
        frozen: Roles of an earlier promotion, which stay.
        judges: The sources whose images models are only judged on (`external`).
        workers: Number of threads, by default one per core. It changes no byte.
        memory: Pixels of earlier runs. It changes no byte.
        on_image: Called for every image while its pixels are in memory, so that nothing is read
            twice.
        approve: Called before the result replaces `folder`; refuses it by raising.

    Raises:
        InputError: Too many images can't be read, or they can't be split as params say.
    """
    with (
        replacing_folder(folder) as partial,
        ShardWriter(partial, options.image_px) as writer,
        PreparedImages(partial / "prepared.npy", options.image_px) as prepared,
    ):
        prepare_all(images, options, prepared, memory=memory, workers=workers)
        external.check_apart(prepared.rows, judges)
        assigned = assign_and_set_aside(prepared, options, frozen, judges)
        trained_on = [
            (row, role)
            for row, role in zip(prepared.rows, assigned.roles, strict=True)
            if row.source not in judges
        ]
        splits.require_usable(*zip(*trained_on, strict=True))
        roles = assigned.roles
        if options.tail_fraction:
            roles = tail.hold_out_tail(
                prepared, roles, options, _frozen_groups(prepared, assigned, frozen.latest)
            )
        builder = _Builder(prepared, roles, assigned.ages, options, writer, on_image)
        builder.write_splits()
        facts: dict[str, object] = {
            "options": options.of_shards,
            "test": splits.describe_test([row for row, _ in trained_on]),
            "joined_groups": assigned.joined,
        }
        if options.matched_donors:
            facts[matched.ROLE] = builder.write_matched(workers)
        manifest = writer.finish(facts)
        result = BuildResult(
            manifest=manifest,
            images=prepared.rows,
            roles=roles,
            pairs=assigned.pairs,
            merged_groups=len(assigned.joined),
            groups_not_dealt=assigned.not_dealt,
            frozen_groups=assigned.frozen_here,
            new_groups=assigned.new_here,
            new_sources=assigned.new_sources,
            unreadable=prepared.unreadable,
            repeats=prepared.repeats,
        )
        if approve:
            approve(result)
        return result


def _frozen_groups(prepared: PreparedImages, assigned: Assigned, latest: int) -> set[str]:
    """Return the groups in which a patient's role is frozen."""
    return {
        row.split_group
        for row, age in zip(prepared.rows, assigned.ages, strict=True)
        if age <= latest
    }


@dataclass(frozen=True)
class _Builder:
    """Writes prepared images to the shards of their roles."""

    prepared: PreparedImages
    roles: Sequence[str]
    ages: Sequence[int]
    options: PreprocessOptions
    writer: ShardWriter
    on_image: OnImage | None

    def write_splits(self) -> None:
        """Write train, val, test and external; and val_tail with the pneumonia images of val."""
        for role in (TRAIN, VAL, TEST):
            self._write(role, self._of(role))
        for role in sorted(filter(external.is_external, set(self.roles))):
            self._write(role, self._of(role))
        if tail.ROLE in self.roles:
            pneumonia = self._of(VAL, label=1)
            self._write(tail.ROLE, [*self._of(tail.ROLE), *pneumonia])

    def write_matched(self, workers: int | None) -> dict[str, object]:
        """Write val_matched; return how it was matched and the AUROC of each nuisance scalar."""
        normals = self._stored(VAL, label=0)
        pneumonia = self._stored(VAL, label=1)
        donors = self._stored(TRAIN, label=1)
        scalars, labels = [], []
        ages = dict(zip((row.path for row in self.prepared.rows), self.ages, strict=True))
        for image in matched.matched_images(
            normals, pneumonia, donors, self.options, ages, workers=workers
        ):
            self._add(matched.ROLE, image.record, image.pixels)
            scalars.append(image.scalars)
            labels.append(image.record.label)
        native = matched.has_native_sizes([*normals, *pneumonia, *donors])
        return {
            "method": "native" if native else "pixels",
            "nuisance_auroc": matched.check_nuisance(scalars, labels),
        }

    def _write(self, role: str, indices: Iterable[int]) -> None:
        rows = self.prepared.rows
        for index in indices:
            self._add(role, record_from_index(rows[index]), self.prepared.pixels(index))

    def _add(self, role: str, record: Record, image: GrayImage) -> None:
        written = self.writer.add(role, record, image)
        if self.on_image:
            self.on_image(role, written, image)

    def _stored(self, role: str, *, label: int) -> list[StoredImage]:
        return [self.prepared.images[index] for index in self._of(role, label=label)]

    def _of(self, role: str, *, label: int | None = None) -> list[int]:
        """Numbers of the images of a role, or of one class of it."""
        return [
            index
            for index, (row, found) in enumerate(zip(self.prepared.rows, self.roles, strict=True))
            if found == role and label in (None, row.label)
        ]
