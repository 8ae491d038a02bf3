"""Every image of the raw folder prepared once, on all cores, into one scratch file."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import cv2
import joblib
import numpy as np
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.engine.parallel import map_in_order
from stages.images.options import PixelOptions, PreprocessOptions
from stages.images.pixel_file import PixelFile
from stages.images.resize import prepare
from stages.images.shards import Record
from stages.sources.index import IndexRow, StoredImage


@dataclass(frozen=True)
class Unreadable:
    """An image that was set aside, and why."""

    path: str
    reason: str


_NOT_KEPT = ("path", "sha256")


def record_of(image: IndexRow) -> Record:
    """The record of an image as it is in the index; the writer gives role and row."""
    facts = {name: value for name, value in asdict(image).items() if name not in _NOT_KEPT}
    return Record(id=image.path, role="", row=-1, **facts)


class Prepared:
    """The readable images, in the order of their paths, with their pixels on disk."""

    def __init__(self, path: Path, image_px: int) -> None:
        self._pixels = PixelFile(path, image_px)
        self.images: list[StoredImage] = []
        self.unreadable: list[Unreadable] = []

    def add(self, image: StoredImage, outcome: NDArray[np.uint8] | str) -> None:
        """Keep an image's pixels, or the reason why there are none."""
        if isinstance(outcome, str):
            self.unreadable.append(Unreadable(image.row.path, outcome))
        else:
            self._pixels.append(outcome)
            self.images.append(image)

    def regroup(self, groups: Sequence[str]) -> None:
        """Give each image another split_group."""
        self.images = [
            image if image.row.split_group == group
            else replace(image, row=replace(image.row, split_group=group))
            for image, group in zip(self.images, groups, strict=True)
        ]  # fmt: skip

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Pixels of `images[index]`, uint8 (image_px, image_px)."""
        return self._pixels.row(index)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pixels.close()
        self._pixels.path.unlink()


def prepare_all(
    images: Sequence[StoredImage],
    options: PreprocessOptions,
    into: Prepared,
    *,
    workers: int | None = None,
) -> None:
    """Decode and resize `images` into `into`; memory does not grow with their number.

    Raises InputError where more can't be read than params allow, and ValueError where an image
    got lost on the way.
    """
    items = zip(images, itertools.repeat(options.pixels))
    with threads():
        outcomes = map_in_order(_outcome, items, workers=workers, label="decode", total=len(images))
        for image, outcome in zip(images, outcomes, strict=True):
            into.add(image, outcome)
    _refuse_too_many(into.unreadable, len(images), options)


def threads() -> joblib.parallel_config:
    """Prefer threads to processes: OpenCV works outside Python's lock, so they scale alike, start
    at once and copy nothing. A hint only, which a cluster's back-end overrides."""
    return joblib.parallel_config(prefer="threads")


def _outcome(item: tuple[StoredImage, PixelOptions]) -> NDArray[np.uint8] | str:
    image, options = item
    cv2.setNumThreads(1)  # many images at a time do better than many threads on one
    data = image.read()
    try:
        return prepare(data, options)
    except InputError as error:
        return str(error)


def _refuse_too_many(bad: Sequence[Unreadable], images: int, options: PreprocessOptions) -> None:
    share = options.max_unreadable_share
    if len(bad) <= max(options.max_unreadable_images, share * images):
        return
    shown = "\n  ".join(f"{image.path}: {image.reason}" for image in bad[:20])
    more = f"\n  ... and {len(bad) - 20} more" if len(bad) > 20 else ""
    raise InputError(
        f"data/raw: expected at most {options.max_unreadable_images} images, or {share:.1%} of "
        f"them, that can't be read, received {len(bad)} of {images}:\n  {shown}{more}\n"
        "mend the source, or raise preprocess.max_unreadable_images or _share"
    )
