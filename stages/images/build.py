"""Build the shards of a data set from raw images: decode, split, match, write."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stages.engine.arrays import GrayImage
from stages.engine.files import replacing_folder
from stages.images import splits
from stages.images.duplicates import Pair, find_duplicates, merge_groups
from stages.images.options import PreprocessOptions
from stages.images.prepared_images import (
    PreparedImages,
    Unreadable,
    prepare_all,
    record_from_index,
)
from stages.images.shard_writer import ShardWriter
from stages.images.shards import Record
from stages.images.shift import matched, tail
from stages.sources.index import IndexRow, StoredImage


@dataclass(frozen=True)
class BuildResult:
    """What was built, for the audit.

    Attributes:
        manifest: Of the shards.
        images: Each readable image once, in the order of their paths.
        roles: The role that each of `images` was assigned to.
        pairs: Which of `images` are duplicates of each other.
        merged_groups: Number of split groups that were joined to another because of them.
        unreadable: Images that were set aside.
    """

    manifest: dict[str, Any]
    images: Sequence[IndexRow]
    roles: Sequence[str]
    pairs: Sequence[Pair]
    merged_groups: int
    unreadable: Sequence[Unreadable]


OnImage: TypeAlias = Callable[[str, Record, GrayImage], None]
"""Takes each image as it is written: role, record, and pixels, uint8 (image_px, image_px)."""


def build_shards(
    images: Sequence[StoredImage],
    options: PreprocessOptions,
    folder: Path,
    *,
    workers: int | None = None,
    on_image: OnImage | None = None,
    approve: Callable[[BuildResult], None] | None = None,
) -> BuildResult:
    """Write the shards of `images` to `folder`, whole or not at all.

    Args:
        images: The raw images, sorted by path.
        options: Section preprocess of the params.
        folder: Is replaced.
        workers: Number of threads, by default one per core. It changes no byte.
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
        prepare_all(images, options, prepared, workers=workers)
        pairs, merged_groups = _merge_duplicates(prepared)
        roles = splits.assign_roles(prepared.rows, options)
        if options.tail_fraction:
            roles = tail.hold_out_tail(prepared, roles, options)
        builder = _Builder(prepared, roles, options, writer, on_image)
        builder.write_splits()
        facts: dict[str, object] = {
            "options": options.of_shards,
            "test": "official" if splits.has_official_test(prepared.rows) else "cut by patient",
        }
        if options.matched_donors:
            facts[matched.ROLE] = builder.write_matched(workers)
        manifest = writer.finish(facts)
        result = BuildResult(
            manifest, prepared.rows, roles, pairs, merged_groups, prepared.unreadable
        )
        if approve:
            approve(result)
        return result


def _merge_duplicates(prepared: PreparedImages) -> tuple[list[Pair], int]:
    """Join split groups that share an image, so that no split separates them.

    Returns:
        The pairs of duplicates, and by how many the groups have become fewer.
    """
    pairs = find_duplicates(prepared)
    groups = [row.split_group for row in prepared.rows]
    merged = merge_groups(groups, pairs)
    prepared.set_groups(merged)
    return pairs, len(set(groups)) - len(set(merged))


@dataclass(frozen=True)
class _Builder:
    """Writes prepared images to the shards of their roles."""

    prepared: PreparedImages
    roles: Sequence[str]
    options: PreprocessOptions
    writer: ShardWriter
    on_image: OnImage | None

    def write_splits(self) -> None:
        """Write train, val and test; and val_tail with the pneumonia images of val."""
        for role in (splits.TRAIN, splits.VAL, splits.TEST):
            self._write(role, self._of(role))
        if self.options.tail_fraction:
            pneumonia = self._of(splits.VAL, label=1)
            self._write(tail.ROLE, [*self._of(tail.ROLE), *pneumonia])

    def write_matched(self, workers: int | None) -> dict[str, object]:
        """Write val_matched; return how it was matched and the AUROC of each nuisance scalar."""
        normals = self._stored(splits.VAL, label=0)
        pneumonia = self._stored(splits.VAL, label=1)
        donors = self._stored(splits.TRAIN, label=1)
        scalars, labels = [], []
        for image in matched.matched_images(
            normals, pneumonia, donors, self.options, workers=workers
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
