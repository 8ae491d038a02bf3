"""`val_matched`: validation normals re-acquired as if they were pneumonia images.

In the training images of Kermany et al. the acquisition gives the class away, in their test images
much less; a random validation split cannot show that. Here each validation normal is re-acquired
several times, each time like another TRAINING pneumonia image (its donor), and combined with the
unchanged pneumonia images of the random validation. The classes then differ by the chest only.
Choosing the normals as the side to change uses knowledge of the official test split, and results
must say so.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError
from stages.engine.parallel import map_in_order, prefer_threads
from stages.images import nuisance
from stages.images.decode import decode
from stages.images.options import PixelOptions, PreprocessOptions
from stages.images.prepared_images import record_from_index
from stages.images.resize import fit_square
from stages.images.shards import Record
from stages.images.shift.reacquire import NativeImage, Reacquired, ResizedImage
from stages.sources.header import read_header
from stages.sources.index import StoredImage

ROLE = "val_matched"
MIN_AUROC, MAX_AUROC = 0.40, 0.60
"""A nuisance scalar whose AUROC for the class lies outside is not matched."""


@dataclass(frozen=True)
class MatchedImage:
    """One image of val_matched.

    Attributes:
        record: The shard writer sets its role and row.
        pixels: uint8 (image_px, image_px).
        scalars: Nuisance scalars of its acquisition, by name.
    """

    record: Record
    pixels: GrayImage
    scalars: dict[str, float]


def matched_images(
    normals: Sequence[StoredImage],
    pneumonia: Sequence[StoredImage],
    donors: Sequence[StoredImage],
    options: PreprocessOptions,
    ages: Mapping[str, int],
    *,
    workers: int | None = None,
) -> Iterator[MatchedImage]:
    """Yield `matched_donors` copies of each normal, then the pneumonia images.

    A donor is the image whose hash with seed, normal and k is the smallest. A normal has donors
    whose roles were frozen when its own was, or before: later ones take none of them. Without
    frozen roles one donor more among N takes a copy with a probability of 1 / (N + 1).

    Args:
        normals: Images of val.
        pneumonia: Images of val.
        donors: Pneumonia images of train.
        options: Seed and number of donors.
        ages: By path, the number of the promotion that froze an image's role, or will.
        workers: Number of threads, by default one per core.
    """
    native = has_native_sizes([*normals, *pneumonia, *donors])
    drawn = _draw_donors(normals, donors, options, ages)
    tasks = [
        _Task(image, of_image, options.pixels, native)
        for image, of_image in zip(normals, drawn, strict=True)
    ]
    tasks += [_Task(image, (), options.pixels, native) for image in pneumonia]
    with prefer_threads():
        for images in map_in_order(_run, tasks, workers=workers, label=ROLE, total=len(tasks)):
            yield from images


def has_native_sizes(images: Sequence[StoredImage]) -> bool:
    """Whether images have their original sizes.

    If all have one size, they were resized and encoded again, and only pixels can be matched.
    """
    return len({(image.row.width, image.row.height) for image in images}) > 1


def check_nuisance(scalars: Sequence[dict[str, float]], labels: Sequence[int]) -> dict[str, float]:
    """Return the AUROC of each nuisance scalar for the class, rounded to 4 decimals.

    Raises:
        InputError: One lies outside 0.40 to 0.60: the role would still reward a network for
            looking at the acquisition.
    """
    found = {
        name: round(nuisance.auroc([image[name] for image in scalars], labels), 4)
        for name in scalars[0]
    }
    failed = {name: value for name, value in found.items() if not MIN_AUROC <= value <= MAX_AUROC}
    if failed:
        listed = ", ".join(f"{name} {value:.3f}" for name, value in failed.items())
        raise InputError(
            f"{ROLE}: expected no nuisance scalar to separate the classes (AUROC {MIN_AUROC:.2f} "
            f"to {MAX_AUROC:.2f}), received {listed}, over {len(labels)} images; with few images "
            "that is chance: add some, or set preprocess.matched_donors to 0 for no such role"
        )
    return found


@dataclass(frozen=True)
class _Task:
    image: StoredImage
    donors: tuple[StoredImage, ...]
    pixels: PixelOptions
    native: bool


def _draw_donors(
    images: Sequence[StoredImage],
    donors: Sequence[StoredImage],
    options: PreprocessOptions,
    ages: Mapping[str, int],
) -> Iterator[tuple[StoredImage, ...]]:
    """Yield the donors of each image; see `matched_images`."""
    numbers = np.array([_number(donor.row.path) for donor in donors], np.uint64)
    donor_ages = np.array([ages[donor.row.path] for donor in donors])
    for image in images:
        path = image.row.path
        possible = np.flatnonzero(donor_ages <= ages[path])
        if not len(possible):  # the patients of that time are gone
            possible = np.arange(len(donors))
        draws = (
            _mixed(numbers[possible] ^ np.uint64(_number(f"{options.seed}/{k}/{path}"))).argmin()
            for k in range(options.matched_donors)
        )
        yield tuple(donors[possible[draw]] for draw in draws)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a hash of each number: the finaliser of SplitMix64 (Steele et al., 2014)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))


def _run(task: _Task) -> list[MatchedImage]:
    cv2.setNumThreads(1)
    data = task.image.read()
    record = record_from_index(task.image.row)
    if not task.donors:
        return [_matched_image(record, decode(data), task)]
    image = NativeImage(data) if task.native else ResizedImage(data)
    copies = []
    for k, donor in enumerate(task.donors):
        copy = image.reacquire(donor.read())
        copies.append(_matched_image(_copy_record(record, k, copy), copy.pixels, task))
    return copies


def _copy_record(original: Record, k: int, copy: Reacquired) -> Record:
    """Return the record of an image's k-th copy: the image's patient, the copy's encoding."""
    height, width = copy.pixels.shape
    header = read_header(copy.encoded) if copy.encoded else None
    return replace(
        original,
        id=f"{original.id}#{k}",
        width=width,
        height=height,
        jpeg_table_mean=header.jpeg_table_mean if header else None,
        icc=0,
        mode="L",
        bytes=len(copy.encoded) if copy.encoded else None,
    )


def _matched_image(record: Record, pixels: GrayImage, task: _Task) -> MatchedImage:
    if task.native:
        height, width = pixels.shape
        scalars = {
            "aspect": width / height,
            "height": float(height),
            "jpeg_table_mean": record.jpeg_table_mean or 0.0,
        }
    else:
        scalars = {
            "texture": nuisance.texture(pixels),
            "sharpness": nuisance.sharpness(pixels),
        }
    return MatchedImage(record, fit_square(pixels, task.pixels), scalars)
