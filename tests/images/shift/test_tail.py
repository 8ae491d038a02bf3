"""The normals whose frame looks like pneumonia are held out, by group."""

from pathlib import Path

import numpy as np

from stages.images.build import build_shards
from stages.images.shards import open_shards
from stages.images.shift.tail import frame
from stages.sources.index import open_raw
from stages.sources.received import ReceivedImage
from stages.sources.writer import write_raw
from tests.sample_images import SOURCES, encoded, options, paths, picture, received


def image(path: str) -> ReceivedImage:
    """Make an image: pneumonia, and every third normal patient, with a bright frame."""
    number = int(path.split("IM-")[1][:4]) if "NORMAL" in path else 0
    pixels = np.full((64, 64), 230 if number % 3 == 0 else 20, np.uint8)
    pixels[8:-8, 8:-8] = picture(path, 48, 48)
    return received(path, encoded(pixels, "PNG"))


def test_normals_with_the_frame_of_pneumonia_images_are_held_out(tmp_path: Path) -> None:
    write_raw(tmp_path, map(image, paths(18)), SOURCES)
    images, _ = open_raw(tmp_path)
    params = options(tail_fraction=0.2)
    build_shards(images, params, tmp_path / "shards", workers=1)
    shards = open_shards(tmp_path / "shards")
    tail = shards.role("val_tail").records
    groups = set(tail.loc[tail["label"] == 0, "split_group"])
    assert groups
    assert all(int(group.split("-")[1]) % 3 == 0 for group in groups)
    train = shards.role("train").records
    assert not groups & set(train["split_group"])
    val = shards.role("val").records
    assert list(tail.loc[tail["label"] == 1, "id"]) == list(val.loc[val["label"] == 1, "id"])


def test_frame_is_the_outer_eighth() -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[8:-8, 8:-8] = 255
    assert frame(pixels).shape == (448,)
    assert not frame(pixels).any()
    assert frame(255 - pixels).all()
