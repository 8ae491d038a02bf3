"""`val_matched`: validation normals re-acquired as if they were pneumonia images.

In the training images of Kermany et al. the acquisition tells the class, in their test images
much less so; a random validation split can't see that. Here each validation normal is
re-acquired several times, each time like another TRAINING pneumonia image (its donor), beside the
unchanged pneumonia images of the random validation. What is left to tell the classes apart is
the chest. That normals are the side to change is itself knowledge from the official test
split, and results must say so.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.engine.parallel import map_in_order
from stages.images.decode import decode
from stages.images.options import PixelOptions, PreprocessOptions
from stages.images.prepared import record_of, threads
from stages.images.resize import fit
from stages.images.scalars import separation, sharpness, texture
from stages.images.shards import Record
from stages.images.shift.reacquire import Copy, NativeImage, PixelImage
from stages.sources.header import read_header
from stages.sources.index import StoredImage

ROLE = "val_matched"
# A nuisance scalar whose AUROC for the class lies outside has not been matched.
LOW, HIGH = 0.40, 0.60


@dataclass(frozen=True)
class Matched:
    """One image of val_matched: its record, its pixels for the network (uint8), and the nuisance
    scalars of its acquisition."""

    record: Record
    pixels: NDArray[np.uint8]
    scalars: dict[str, float]


def images(
    normals: Sequence[StoredImage],
    pneumonia: Sequence[StoredImage],
    donors: Sequence[StoredImage],
    options: PreprocessOptions,
    *,
    workers: int | None = None,
) -> Iterator[Matched]:
    """The images of val_matched: `matched_donors` copies of each normal, then the pneumonia images.

    Donors are drawn by `[seed, record, k]`, where a record's number is a hash of its path, so
    that another image in the set moves no other image's draw of a given number of donors.
    """
    native = is_native([*normals, *pneumonia, *donors])
    tasks = [
        _Task(image, _drawn(image, donors, options), options.pixels, native) for image in normals
    ] + [_Task(image, (), options.pixels, native) for image in pneumonia]
    with threads():
        for found in map_in_order(_run, tasks, workers=workers, label=ROLE, total=len(tasks)):
            yield from found


def is_native(images: Sequence[StoredImage]) -> bool:
    """False where all images have one size: then someone resized them, and re-encoded them too,
    and only pixels are left to match."""
    return len({(image.row.width, image.row.height) for image in images}) > 1


def check(scalars: Sequence[dict[str, float]], labels: Sequence[int]) -> dict[str, float]:
    """AUROC of each nuisance scalar for the class, rounded to 4 decimals.

    Raises InputError where one lies outside 0.40 to 0.60: the split would still reward a
    network for looking at the acquisition.
    """
    found = {
        name: round(separation([image[name] for image in scalars], labels), 4)
        for name in scalars[0]
    }
    failed = {name: value for name, value in found.items() if not LOW <= value <= HIGH}
    if failed:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in failed.items())
        raise InputError(
            f"{ROLE}: expected no nuisance scalar to tell the classes apart (AUROC {LOW:.2f} to "
            f"{HIGH:.2f}), received {shown}, over {len(labels)} images; with few images that is "
            "chance: add some, or set preprocess.matched_donors to 0 to do without this role"
        )
    return found


@dataclass(frozen=True)
class _Task:
    image: StoredImage
    donors: tuple[StoredImage, ...]
    pixels: PixelOptions
    native: bool


def _drawn(
    image: StoredImage, donors: Sequence[StoredImage], options: PreprocessOptions
) -> tuple[StoredImage, ...]:
    number = int.from_bytes(hashlib.sha256(image.row.path.encode()).digest()[:8], "big")
    draws = (
        np.random.default_rng([options.seed, number, k]).integers(len(donors))
        for k in range(options.matched_donors)
    )
    return tuple(donors[int(draw)] for draw in draws)


def _run(task: _Task) -> list[Matched]:
    cv2.setNumThreads(1)
    data = task.image.read()
    record = record_of(task.image.row)
    if not task.donors:
        return [_image(record, decode(data), task)]
    image = NativeImage(data) if task.native else PixelImage(data)
    found = []
    for k, donor in enumerate(task.donors):
        copy = image.like(donor.read())
        found.append(_image(_record(record, k, copy), copy.pixels, task))
    return found


def _record(original: Record, k: int, copy: Copy) -> Record:
    """The record of an image's k-th copy: the image's patient, the copy's own encoding."""
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


def _image(record: Record, pixels: NDArray[np.uint8], task: _Task) -> Matched:
    scalars = {"texture": texture(pixels), "sharpness": sharpness(pixels)}
    if task.native:
        height, width = pixels.shape
        scalars = {
            "aspect": width / height,
            "height": float(height),
            "jpeg_table_mean": record.jpeg_table_mean or 0.0,
        }
    return Matched(record, fit(pixels, task.pixels), scalars)
