"""Raw images to finished shards: the whole of preprocess but its params and places."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.engine.files import replacing_folder
from stages.images import duplicates, splits
from stages.images.duplicates import Pair
from stages.images.options import PreprocessOptions
from stages.images.prepared import Prepared, Unreadable, prepare_all, record_of
from stages.images.shards import Record, ShardWriter
from stages.images.shift import matched, tail
from stages.sources.index import IndexRow, StoredImage


@dataclass(frozen=True)
class Built:
    """The shards' manifest and how it came about, for the audit.

    `images` and `homes`: each readable image once, with the role it was dealt to. `pairs`: those of
    them that are one image. `merged_groups`: how many split groups became part of another for it.
    `unreadable`: images set aside.
    """

    manifest: dict[str, Any]
    images: Sequence[IndexRow]
    homes: Sequence[str]
    pairs: Sequence[Pair]
    merged_groups: int
    unreadable: Sequence[Unreadable]


Observer: TypeAlias = Callable[[str, Record, NDArray[np.uint8]], None]
"""Sees each image as it is written: its role, its record, uint8 (image_px, image_px)."""


def build(
    images: Sequence[StoredImage],
    options: PreprocessOptions,
    folder: Path,
    *,
    workers: int | None = None,
    observe: Observer | None = None,
    judge: Callable[[Built], None] | None = None,
) -> Built:
    """Write the shards of `images` to `folder`, whole or not at all.

    Args:
        observe: Sees every image while its pixels are in memory, so that nothing is read twice.
        judge: Looks at what was built before it takes `folder`'s place; refuses it by raising.

    Raises:
        InputError: Images, splits or too many broken files don't allow it.
    """
    with (
        replacing_folder(folder) as partial,
        ShardWriter(partial, options.image_px) as writer,
    ):
        with Prepared(partial / "prepared.npy", options.image_px) as prepared:
            prepare_all(images, options, prepared, workers=workers)
            pairs, merged_groups = _merge_duplicates(prepared)
            rows = [image.row for image in prepared.images]
            roles = splits.assign(rows, options)
            if options.tail_fraction:
                roles = tail.set_aside(prepared, roles, options)

            def add(role: str, record: Record, pixels: NDArray[np.uint8]) -> None:
                written = writer.add(role, record, pixels)
                if observe:
                    observe(role, written, pixels)

            def add_all(role: str, indices: Iterable[int]) -> None:
                for index in indices:
                    add(role, record_of(rows[index]), prepared.pixels(index))

            for role in (splits.TRAIN, splits.VAL, splits.TEST):
                add_all(role, _of(role, roles))
            if options.tail_fraction:
                ill = [index for index in _of(splits.VAL, roles) if rows[index].label]
                add_all(tail.ROLE, [*_of(tail.ROLE, roles), *ill])
            facts: dict[str, Any] = {
                "options": options.of_shards,
                "test": "official" if splits.has_official_test(rows) else "cut by patient",
            }
            if options.matched_donors:
                facts[matched.ROLE] = _add_matched(add, prepared, roles, options, workers)
        manifest = writer.finish(facts)
        built = Built(manifest, rows, roles, pairs, merged_groups, prepared.unreadable)
        if judge:
            judge(built)
        return built


def _merge_duplicates(prepared: Prepared) -> tuple[list[Pair], int]:
    """Make one group of groups that share an image, so that no cut parts them; the pairs, and the
    number of groups that there are less."""
    pairs = duplicates.find(prepared)
    groups = [image.row.split_group for image in prepared.images]
    together = duplicates.merged(groups, pairs)
    prepared.regroup(together)
    return pairs, len(set(groups)) - len(set(together))


def _of(role: str, roles: Sequence[str]) -> list[int]:
    return [index for index, found in enumerate(roles) if found == role]


def _add_matched(
    add: Callable[[str, Record, NDArray[np.uint8]], None],
    prepared: Prepared,
    roles: Sequence[str],
    options: PreprocessOptions,
    workers: int | None,
) -> dict[str, Any]:
    """Write val_matched; return how it was made and the AUROC of each nuisance scalar."""
    val = [prepared.images[index] for index in _of(splits.VAL, roles)]
    train = [prepared.images[index] for index in _of(splits.TRAIN, roles)]
    normals = [image for image in val if not image.row.label]
    ill = [image for image in val if image.row.label]
    donors = [image for image in train if image.row.label]
    scalars, labels = [], []
    for image in matched.images(normals, ill, donors, options, workers=workers):
        add(matched.ROLE, image.record, image.pixels)
        scalars.append(image.scalars)
        labels.append(image.record.label)
    road = "native" if matched.is_native([*val, *donors]) else "pixels"
    return {"road": road, "nuisance_auroc": matched.check(scalars, labels)}
