"""Small images of noise for tests, with any name, size and encoding."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.engine.files import sha256_bytes
from stages.images.options import AuditOptions, PreprocessOptions
from stages.sources import names
from stages.sources.received import NamedSource, ReceivedImage, Source
from stages.sources.writer import write_raw

ORIGIN = Source(
    "test", "", "1", "none", "none", "", pinned=True, synthetic=True, task={"body_part": "CHEST"}
)
SOURCES = [NamedSource("test", "train", ORIGIN)]
OPTIONS: dict[str, Any] = {
    "seed": 0,
    "image_px": 32,
    "aspect": "stretch",
    "val_fraction": 0.25,
    "test_fraction": 0.25,
    "max_unreadable_images": 2,
    "max_unreadable_share": 0.01,
    "matched_donors": 0,
    "tail_fraction": 0.0,
    "audit": AuditOptions(
        leaks="stop", label_conflicts="warn", shortcuts="warn", shortcut_auroc=0.75
    ),
}


def options(**changes: Any) -> PreprocessOptions:
    """Return options for small data sets, with `changes`."""
    return PreprocessOptions(**{**OPTIONS, **changes})


def picture(name: str, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Return smooth noise, uint8 (height, width), that depends on `name`."""
    draws = np.random.default_rng(int(sha256_bytes(name.encode())[:12], 16))
    coarse = draws.integers(0, 256, (8, 8), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def encoded(pixels: NDArray[Any] | Image.Image, kind: str = "JPEG", **how: Any) -> bytes:
    """Return pixels as the bytes of an image file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def paths(patients: int = 12, split: str = "train") -> list[str]:
    """Return paths of images of `patients` normal, bacterial and viral patients each.

    Every third patient has two images.
    """
    found = []
    for number in range(1, patients + 1):
        for image in range(1 + (number % 3 == 0)):
            serial = 10 * number + image
            found += [
                f"{split}/NORMAL/IM-{number:04d}-{image + 1:04d}.jpeg",
                f"{split}/PNEUMONIA/person{number}_bacteria_{serial}.jpeg",
                f"{split}/PNEUMONIA/person{1000 + number}_virus_{serial}.jpeg",
            ]
    return sorted(found)


def received(path: str, data: bytes) -> ReceivedImage:
    """Return an image whose path gives all its facts."""
    return ReceivedImage(path, data, **asdict(names.parse(path)), source="test")


def images(
    image_paths: Iterable[str], broken: Mapping[str, bytes] | None = None
) -> Iterator[ReceivedImage]:
    """Yield images of these paths; `broken` gives some of them other bytes."""
    for path in image_paths:
        yield received(path, (broken or {}).get(path) or encoded(picture(path)))


def raw(
    folder: Path, image_paths: Iterable[str], broken: Mapping[str, bytes] | None = None
) -> Path:
    """Write a complete raw folder of such images; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_raw(folder, images(image_paths, broken), SOURCES)
    return folder


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a zip of these members, in their order; return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
