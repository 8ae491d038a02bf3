"""Small images for tests: noise shaped like nothing, but named, sized and encoded as wanted."""

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
from stages.sources.received import ReceivedImage, Source
from stages.sources.writer import write_raw

SOURCE = Source("test", "", "1", "none", "none", "", pinned=True, synthetic=True)
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
    """Small options, but for `changes`."""
    return PreprocessOptions(**{**OPTIONS, **changes})


def picture(name: str, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Smooth noise, uint8 (height, width), that `name` decides."""
    draws = np.random.default_rng(int(sha256_bytes(name.encode())[:12], 16))
    coarse = draws.integers(0, 256, (8, 8), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def encoded(pixels: NDArray[Any] | Image.Image, kind: str = "JPEG", **how: Any) -> bytes:
    """A picture as the bytes of a file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def paths(patients: int = 12, split: str = "train") -> list[str]:
    """Images of `patients` normal, bacterial and viral patients each; every third has two."""
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
    """An image whose path gives all its facts. Raises InputError as `names.parse` does."""
    return ReceivedImage(path, data, **asdict(names.parse(path)))


def images(
    image_paths: Iterable[str], broken: Mapping[str, bytes] | None = None
) -> Iterator[ReceivedImage]:
    """Images of these paths; `broken` gives some of them other bytes."""
    for path in image_paths:
        yield received(path, (broken or {}).get(path) or encoded(picture(path)))


def raw(
    folder: Path, image_paths: Iterable[str], broken: Mapping[str, bytes] | None = None
) -> Path:
    """A finished raw folder of such images."""
    folder.mkdir(parents=True, exist_ok=True)
    write_raw(folder, images(image_paths, broken), SOURCE)
    return folder


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """A zip of these members, in their order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
