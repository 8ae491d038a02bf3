"""Prepare every image of the raw folder once, on all cores, and keep the pixels in one file."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import cv2

from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError
from stages.engine.parallel import map_in_order, prefer_threads
from stages.images.options import PixelOptions, PreprocessOptions
from stages.images.pixel_file import PixelFile
from stages.images.pixel_memory import PixelMemory
from stages.images.prepare import prepare
from stages.images.shards import Record
from stages.sources.index import IndexRow, StoredImage

_LISTED = 20
_INDEX_ONLY = ("path", "sha256", "part", "offset")
"""Columns of the index that a record does not have: the path is its id."""


@dataclass(frozen=True)
class SetAside:
    """An image that was set aside, and why."""

    path: str
    reason: str


def record_from_index(row: IndexRow) -> Record:
    """Return the record of an image; the shard writer sets its role and row."""
    facts = {name: value for name, value in asdict(row).items() if name not in _INDEX_ONLY}
    return Record(id=row.path, role="", row=-1, **facts)


class PreparedImages:
    """The readable images in the order of their paths, with pixels in a file that is deleted last.

    Attributes:
        images: The readable images.
        unreadable: The others.
        repeats: Readable images that were set aside because they repeat others.
    """

    def __init__(self, path: Path, image_px: int) -> None:
        self._pixels = PixelFile(path, image_px)
        self.images: list[StoredImage] = []
        self.unreadable: list[SetAside] = []
        self.repeats: list[SetAside] = []
        self._places: list[int] = []  # of each image, in the file of pixels

    def __len__(self) -> int:
        return len(self.images)

    @property
    def rows(self) -> list[IndexRow]:
        """The index rows of `images`."""
        return [image.row for image in self.images]

    def add(self, image: StoredImage, outcome: GrayImage | str) -> None:
        """Add an image: its pixels, uint8 (image_px, image_px), or the reason why it has none."""
        if isinstance(outcome, str):
            self.unreadable.append(SetAside(image.row.path, outcome))
        else:
            self._places.append(len(self._pixels))
            self._pixels.append(outcome)
            self.images.append(image)

    def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Move images from `images` to `repeats`; the reason of each by its number."""
        self.repeats += [
            SetAside(self.images[number].row.path, reason)
            for number, reason in sorted(reasons.items())
        ]
        left = [number for number in range(len(self)) if number not in reasons]
        self.images = [self.images[number] for number in left]
        self._places = [self._places[number] for number in left]

    def set_groups(self, groups: Sequence[str]) -> None:
        """Set the `split_group` of each image."""
        for index, (image, group) in enumerate(zip(self.images, groups, strict=True)):
            if image.row.split_group != group:
                self.images[index] = replace(image, row=replace(image.row, split_group=group))

    def pixels(self, index: int) -> GrayImage:
        """Read the pixels of `images[index]`, uint8 (image_px, image_px)."""
        return self._pixels.read(self._places[index])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pixels.close()
        self._pixels.path.unlink()


def prepare_all(
    images: Sequence[StoredImage],
    options: PreprocessOptions,
    prepared: PreparedImages,
    *,
    memory: PixelMemory | None = None,
    workers: int | None = None,
) -> None:
    """Add the pixels of `images` to `prepared`, in bounded memory.

    Args:
        images: Are decoded and resized, except for those in `memory`.
        options: Section preprocess of the params.
        prepared: Takes pixels or the reason why there are none, in the order of `images`.
        memory: Of earlier runs; new pixels are added.
        workers: Number of threads, by default one per core. It changes no byte.

    Raises:
        InputError: More images can't be read than params allow.
        ValueError: An image got lost on the way.
    """
    with prefer_threads():
        outcomes = _outcomes(images, options.pixels, memory, workers)
        for image, outcome in zip(images, outcomes, strict=True):
            if memory is not None and not isinstance(outcome, str):
                memory.add(image.row.sha256, outcome)
            prepared.add(image, outcome)
    _check_unreadable(prepared.unreadable, len(images), options)


def _outcomes(
    images: Sequence[StoredImage],
    options: PixelOptions,
    memory: PixelMemory | None,
    workers: int | None,
) -> Iterator[GrayImage | str]:
    """Yield the pixels of each image, or the reason why there are none."""
    known = [memory is not None and image.row.sha256 in memory for image in images]
    new = [image for image, is_known in zip(images, known, strict=True) if not is_known]
    items = zip(new, itertools.repeat(options))
    decoded = map_in_order(
        _prepare_or_reason, items, workers=workers, label="decode", total=len(new)
    )
    for image, is_known in zip(images, known, strict=True):
        if is_known:
            pixels = memory.read(image.row.sha256) if memory else None
            yield _prepare_or_reason((image, options)) if pixels is None else pixels
        elif (outcome := next(decoded, None)) is not None:
            yield outcome
        else:
            return  # an image got lost: the caller counts


def _prepare_or_reason(item: tuple[StoredImage, PixelOptions]) -> GrayImage | str:
    image, options = item
    cv2.setNumThreads(1)  # many images at a time are faster than many threads on one
    data = image.read()
    try:
        return prepare(data, options)
    except InputError as error:
        return str(error)


def _check_unreadable(
    unreadable: Sequence[SetAside], images: int, options: PreprocessOptions
) -> None:
    share = options.max_unreadable_share
    if len(unreadable) <= max(options.max_unreadable_images, share * images):
        return
    lines = [f"{image.path}: {image.reason}" for image in unreadable[:_LISTED]]
    if len(unreadable) > _LISTED:
        lines.append(f"... and {len(unreadable) - _LISTED} more")
    listing = "".join(f"\n  {line}" for line in lines)
    raise InputError(
        f"data/raw: expected at most {options.max_unreadable_images} images, or {share:.1%} of "
        f"them, that can't be read, received {len(unreadable)} of {images}:{listing}\n"
        "fix the source, or raise preprocess.max_unreadable_images or _share"
    )
